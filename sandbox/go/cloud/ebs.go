// Volumes of EBS: a disk in the zone of the node that its first pod goes to. Parameters are those of
// https://github.com/kubernetes-sigs/aws-ebs-csi-driver/blob/master/docs/parameters.md ; what EC2 would refuse is too.
package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

const (
	zoneLabel = "topology.kubernetes.io/zone"
	gibibyte  = int64(1) << 30
)

var (
	keyName = regexp.MustCompile(`^(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:)?(key/|alias/)?[A-Za-z0-9/_-]+$`)
	// What changes nothing here, and what the driver takes all the same.
	ignored = []string{
		"allowautoiopspergbincrease", "allowautoiopsincrease", "blockexpress", "blocksize", "inodesize", "bytesperinode",
		"numberofinodes", "ext4bigalloc", "ext4clustersize", "volumeinitializationrate",
	}
	fileSystems = []string{"ext3", "ext4", "xfs", "ntfs"}
)

// diskType is what EC2 asks of a kind of disk; zero: it takes no such thing.
type diskType struct {
	mostGiB                         int64
	leastIOPS, mostIOPS, iopsPerGiB int64
	iopsNeeded                      bool
	leastThroughput, mostThroughput int64
}

var diskTypes = map[string]diskType{
	"gp3":      {mostGiB: 65536, leastIOPS: 3000, mostIOPS: 80000, iopsPerGiB: 500, leastThroughput: 125, mostThroughput: 2000},
	"gp2":      {mostGiB: 16384},
	"io1":      {mostGiB: 16384, leastIOPS: 100, mostIOPS: 64000, iopsPerGiB: 50, iopsNeeded: true},
	"io2":      {mostGiB: 65536, leastIOPS: 100, mostIOPS: 256000, iopsPerGiB: 1000, iopsNeeded: true},
	"st1":      {mostGiB: 16384},
	"sc1":      {mostGiB: 16384},
	"standard": {mostGiB: 1024},
}

type ebs struct {
	account account
	client  kubernetes.Interface
}

type ebsRequest struct {
	kind, fileSystem             string
	iops, iopsPerGiB, throughput int64
}

func (e *ebs) Provision(ctx context.Context, options controller.ProvisionOptions) (*core.PersistentVolume, controller.ProvisioningState, error) {
	request, err := readEBS(options.StorageClass.Parameters)
	if err == nil {
		err = request.check(options.PVC)
	}
	if err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	zone, err := e.zone(ctx, options)
	if err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	id := idOf("vol-0", options.PVName)[:21]
	// A disk that has just been formatted holds this folder, which is root's own.
	if err := os.MkdirAll(filepath.Join(e.account.disk(id), "lost+found"), 0o755); err != nil {
		return nil, controller.ProvisioningFinished, status.Errorf(codes.Internal, "Could not create volume %q: %v", options.PVName, err)
	}
	if err := os.Chmod(filepath.Join(e.account.disk(id), "lost+found"), 0o700); err != nil {
		return nil, controller.ProvisioningFinished, status.Errorf(codes.Internal, "Could not create volume %q: %v", options.PVName, err)
	}
	made := volume(options, ebsDriver, id, request.fileSystem)
	made.Spec.NodeAffinity = inZone(zone)
	return made, controller.ProvisioningFinished, nil
}

func (e *ebs) Delete(_ context.Context, volume *core.PersistentVolume) error {
	if !diskName.MatchString(volume.Spec.CSI.VolumeHandle) {
		return nil
	}
	if err := os.RemoveAll(e.account.disk(volume.Spec.CSI.VolumeHandle)); err != nil {
		return status.Errorf(codes.Internal, "Could not delete volume ID %q: %v", volume.Spec.CSI.VolumeHandle, err)
	}
	return nil
}

// zone is that of the node that was selected; without one (volumeBindingMode Immediate), the first of the cluster.
func (e *ebs) zone(ctx context.Context, options controller.ProvisionOptions) (string, error) {
	nodes, err := e.client.CoreV1().Nodes().List(ctx, meta.ListOptions{})
	if err != nil {
		return "", status.Errorf(codes.Internal, "Could not list nodes: %v", err)
	}
	zones := map[string]string{}
	for _, node := range nodes.Items {
		zones[node.Name] = node.Labels[zoneLabel]
	}
	allowed := allowedZones(options.StorageClass.AllowedTopologies)
	if options.SelectedNodeName != "" {
		zone := zones[options.SelectedNodeName]
		if len(allowed) > 0 && !slices.Contains(allowed, zone) {
			return "", status.Errorf(codes.ResourceExhausted, "zone %q of node %q is not in allowedTopologies", zone, options.SelectedNodeName)
		}
		return zone, nil
	}
	var found []string
	for _, zone := range zones {
		if len(allowed) == 0 || slices.Contains(allowed, zone) {
			found = append(found, zone)
		}
	}
	if len(found) == 0 {
		return "", status.Error(codes.ResourceExhausted, "no node is in a zone of allowedTopologies")
	}
	return slices.Min(found), nil
}

func allowedZones(terms []core.TopologySelectorTerm) []string {
	var zones []string
	for _, term := range terms {
		for _, expression := range term.MatchLabelExpressions {
			if expression.Key == zoneLabel || expression.Key == "topology.ebs.csi.aws.com/zone" {
				zones = append(zones, expression.Values...)
			}
		}
	}
	return zones
}

func readEBS(given map[string]string) (ebsRequest, error) {
	request := ebsRequest{kind: "gp3", fileSystem: "ext4"}
	for key, value := range given {
		if err := request.read(key, value); err != nil {
			return request, err
		}
	}
	return request, nil
}

func (r *ebsRequest) read(key, value string) error {
	var err error
	switch name := strings.ToLower(key); name {
	case "csi.storage.k8s.io/fstype", "fstype":
		r.fileSystem = value
		if !slices.Contains(fileSystems, value) {
			return invalid("Invalid fstype (%s)", value)
		}
	case "type":
		r.kind = value
	case "iops":
		if r.iops, err = strconv.ParseInt(value, 10, 32); err != nil {
			return invalid("Could not parse invalid iops: %v", err)
		}
	case "iopspergb":
		if r.iopsPerGiB, err = strconv.ParseInt(value, 10, 32); err != nil {
			return invalid("Could not parse invalid iopsPerGB: %v", err)
		}
	case "throughput":
		if r.throughput, err = strconv.ParseInt(value, 10, 32); err != nil {
			return invalid("Could not parse invalid throughput: %v", err)
		}
	case "encrypted":
	case "kmskeyid":
		if !keyName.MatchString(value) {
			return status.Errorf(codes.Internal, "Invalid KMS key %q", value)
		}
	default:
		if !slices.Contains(ignored, name) && !strings.HasPrefix(name, "tagspecification") {
			return invalid("Invalid parameter key %s for CreateVolume", key)
		}
	}
	return nil
}

// check refuses what EC2 would; more IOPS than there are for a disk's size and kind are cut to that, by the driver.
func (r *ebsRequest) check(claim *core.PersistentVolumeClaim) error {
	for _, mode := range claim.Spec.AccessModes {
		if mode != core.ReadWriteOnce && mode != core.ReadWriteOncePod {
			return invalid("Volume capabilities %s not supported. Only AccessModes[ReadWriteOnce] supported.", mode)
		}
	}
	kind, ok := diskTypes[r.kind]
	if !ok {
		return status.Errorf(codes.Internal, "invalid AWS VolumeType %q", r.kind)
	}
	asked := claim.Spec.Resources.Requests.Storage().Value()
	size := (asked + gibibyte - 1) / gibibyte
	if size > kind.mostGiB {
		return status.Errorf(codes.Internal, "Volume of %d GiB is too large for volume type %s; maximum is %d GiB", size, r.kind, kind.mostGiB)
	}
	return r.checkSpeed(kind, size)
}

func (r *ebsRequest) checkSpeed(kind diskType, size int64) error {
	iops := r.iops
	if iops == 0 {
		iops = r.iopsPerGiB * size
	}
	if iops != 0 && kind.mostIOPS == 0 {
		return status.Errorf(codes.Internal, "The parameter iops is not supported for %s volumes.", r.kind)
	}
	if iops == 0 && kind.iopsNeeded {
		return invalid("The parameter IOPS must be specified for %s volumes.", r.kind)
	}
	if iops != 0 && iops < kind.leastIOPS {
		return status.Errorf(codes.Internal, "Volume iops of %d is too low; minimum is %d.", iops, kind.leastIOPS)
	}
	if r.throughput == 0 {
		return nil
	}
	if kind.mostThroughput == 0 {
		return status.Errorf(codes.Internal, "The parameter throughput is not supported for %s volumes.", r.kind)
	}
	if r.throughput < kind.leastThroughput || r.throughput > kind.mostThroughput {
		return status.Errorf(codes.Internal, "Throughput of %d MiB/s is not within %d to %d.", r.throughput, kind.leastThroughput, kind.mostThroughput)
	}
	return nil
}

func inZone(zone string) *core.VolumeNodeAffinity {
	terms := []core.NodeSelectorTerm{{MatchExpressions: []core.NodeSelectorRequirement{
		{Key: zoneLabel, Operator: core.NodeSelectorOpIn, Values: []string{zone}},
	}}}
	return &core.VolumeNodeAffinity{Required: &core.NodeSelector{NodeSelectorTerms: terms}}
}
