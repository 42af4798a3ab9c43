// Volumes of EFS: an access point of a file system for each claim. Parameters and refusals are those of
// https://github.com/kubernetes-sigs/aws-efs-csi-driver/blob/master/docs/README.md
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

const firstGroup, lastGroup = 50000, 7000000

type efs struct {
	account account
	choice  sync.Mutex // of a group that no other access point has
}

type efsRequest struct {
	fileSystem, folder string
	uid, gid           int // -1: one that is free
	firstGID, lastGID  int
	permissions        os.FileMode
}

func (e *efs) Provision(_ context.Context, options controller.ProvisionOptions) (*core.PersistentVolume, controller.ProvisioningState, error) {
	request, err := readEFS(options)
	if err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	if _, err := e.account.fileSystem(request.fileSystem); err != nil {
		return nil, controller.ProvisioningFinished, invalid("File System does not exist: %v", err)
	}
	id := idOf("fsap-", options.PVName)
	if err := e.create(id, request); err != nil {
		failed := status.Errorf(codes.Internal, "Failed to create Access point in File System %v : %v", request.fileSystem, err)
		return nil, controller.ProvisioningFinished, failed
	}
	return volume(options, efsDriver, request.fileSystem+"::"+id, ""), controller.ProvisioningFinished, nil
}

func (e *efs) create(id string, request efsRequest) error {
	e.choice.Lock()
	defer e.choice.Unlock()
	if _, err := e.account.accessPoint(id); err == nil {
		return nil // made before, by one that was killed
	}
	uid, gid := request.uid, request.gid
	if uid < 0 || gid < 0 {
		free, err := e.freeGroup(request)
		if err != nil {
			return err
		}
		if uid < 0 {
			uid = free
		}
		if gid < 0 {
			gid = free
		}
	}
	point := accessPoint{FileSystem: request.fileSystem, Path: request.folder, UID: uid, GID: gid}
	return e.account.createAccessPoint(id, point, request.permissions)
}

func (e *efs) freeGroup(request efsRequest) (int, error) {
	points, err := e.account.accessPoints()
	if err != nil {
		return 0, err
	}
	for gid := request.firstGID; gid <= request.lastGID; gid++ {
		taken := func(point accessPoint) bool { return point.FileSystem == request.fileSystem && point.GID == gid }
		if !slices.ContainsFunc(points, taken) {
			return gid, nil
		}
	}
	return 0, errors.New("Failed to locate a free GID for given the file system: " + request.fileSystem)
}

// Delete removes the access point and, as the driver does unless it is told otherwise, leaves what is in its folder.
func (e *efs) Delete(_ context.Context, volume *core.PersistentVolume) error {
	_, id, _ := strings.Cut(volume.Spec.CSI.VolumeHandle, "::")
	if !accessPointName.MatchString(id) {
		return nil
	}
	if err := os.Remove(e.account.accessPointFile(id)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return status.Errorf(codes.Internal, "Failed to Delete volume %v: %v", volume.Spec.CSI.VolumeHandle, err)
	}
	return nil
}

func readEFS(options controller.ProvisionOptions) (efsRequest, error) {
	given := options.StorageClass.Parameters
	request := efsRequest{uid: -1, gid: -1, firstGID: firstGroup, lastGID: lastGroup}
	mode, ok := given["provisioningMode"]
	if !ok {
		return request, invalid("Missing %v parameter", "provisioningMode")
	}
	if mode != "efs-ap" {
		return request, invalid("Provisioning mode %s is not supported. Only Access point provisioning: 'efs-ap' is supported", mode)
	}
	if request.fileSystem, ok = given["fileSystemId"]; !ok {
		return request, invalid("Missing %v parameter", "fileSystemId")
	}
	if strings.TrimSpace(request.fileSystem) == "" {
		return request, invalid("Parameter %v cannot be empty", "fileSystemId")
	}
	var err error
	if request.permissions, err = readPermissions(given["directoryPerms"]); err != nil {
		return request, err
	}
	if err := readGroups(given, &request); err != nil {
		return request, err
	}
	request.folder, err = readFolder(given, options)
	return request, err
}

func readPermissions(told string) (os.FileMode, error) {
	if told == "" {
		return 0, invalid("Missing %v parameter", "directoryPerms")
	}
	permissions, err := strconv.ParseUint(told, 8, 12)
	if err != nil {
		return 0, invalid("Failed to parse invalid %v: %v", "directoryPerms", err)
	}
	return os.FileMode(permissions).Perm(), nil
}

func readGroups(given map[string]string, request *efsRequest) error {
	for name, target := range map[string]*int{"uid": &request.uid, "gid": &request.gid} {
		told, ok := given[name]
		if !ok {
			continue
		}
		value, err := strconv.Atoi(told)
		if err != nil {
			return invalid("Failed to parse invalid %v: %v", name, err)
		}
		if value < 0 {
			return invalid("%v must be greater or equal than 0", name)
		}
		*target = value
	}
	first, hasFirst := given["gidRangeStart"]
	last, hasLast := given["gidRangeEnd"]
	if !hasFirst && !hasLast {
		return nil
	}
	if !hasFirst {
		return invalid("Missing %v parameter", "gidRangeStart")
	}
	if !hasLast {
		return invalid("Missing %v parameter", "gidRangeEnd")
	}
	var err error
	if request.firstGID, err = strconv.Atoi(first); err != nil {
		return invalid("Failed to parse invalid %v: %v", "gidRangeStart", err)
	}
	if request.lastGID, err = strconv.Atoi(last); err != nil {
		return invalid("Failed to parse invalid %v: %v", "gidRangeEnd", err)
	}
	if request.firstGID <= 0 {
		return invalid("%v must be greater than 0", "gidRangeStart")
	}
	if request.lastGID <= request.firstGID {
		return invalid("%v must be greater than %v", "gidRangeEnd", "gidRangeStart")
	}
	return nil
}

func readFolder(given map[string]string, options controller.ProvisionOptions) (string, error) {
	pattern, ok := given["subPathPattern"]
	if !ok {
		return filepath.Join("/", given["basePath"], options.PVName), nil
	}
	values := strings.NewReplacer(
		"${.PVC.name}", options.PVC.Name, "${.PVC.namespace}", options.PVC.Namespace, "${.PV.name}", options.PVName,
	)
	folder := values.Replace(pattern)
	if strings.Contains(folder, "${") {
		return "", invalid("Failed to interpolate path: %v", pattern)
	}
	if given["ensureUniqueDirectory"] != "false" {
		folder += "-" + string(options.PVC.UID)
	}
	return filepath.Join("/", given["basePath"], folder), nil
}

func invalid(format string, values ...any) error {
	return status.Error(codes.InvalidArgument, fmt.Sprintf(format, values...))
}
