// The CSI drivers on a node: they tell the kubelet who they are, and mount volumes where it says.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

const (
	plugins    = "/var/lib/kubelet/plugins"
	registries = "/var/lib/kubelet/plugins_registry"
)

func serveNode(ctx context.Context, account account, name, zone string) error {
	failed := make(chan error, 2)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	for _, driver := range []string{efsDriver, ebsDriver} {
		go func() { failed <- serveDriver(ctx, &node{driver: driver, account: account, name: name, zone: zone}) }()
	}
	return <-failed
}

func serveDriver(ctx context.Context, driver *node) error {
	endpoint := filepath.Join(plugins, driver.driver, "csi.sock")
	server := grpc.NewServer()
	csi.RegisterIdentityServer(server, driver)
	csi.RegisterNodeServer(server, driver)
	registrar := grpc.NewServer()
	failed := make(chan error, 3)
	registration.RegisterRegistrationServer(registrar, &registered{driver: driver.driver, endpoint: endpoint, failed: failed})
	go func() { failed <- listen(server, endpoint) }()
	go func() { failed <- listen(registrar, filepath.Join(registries, driver.driver+"-reg.sock")) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		server.Stop()
		registrar.Stop()
		return nil
	}
}

func listen(server *grpc.Server, socket string) error {
	if err := os.MkdirAll(filepath.Dir(socket), 0o750); err != nil {
		return err
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	return server.Serve(listener)
}

// registered tells the kubelet where a driver listens. A kubelet that could not take it (it asks as soon as it starts,
// the API server may be later) does not ask again by itself: then this program ends, and is started anew.
type registered struct {
	registration.UnimplementedRegistrationServer
	driver, endpoint string
	failed           chan<- error
}

func (r *registered) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type: registration.CSIPlugin, Name: r.driver, Endpoint: r.endpoint, SupportedVersions: []string{"1.0.0"},
	}, nil
}

func (r *registered) NotifyRegistrationStatus(_ context.Context, told *registration.RegistrationStatus) (*registration.RegistrationStatusResponse, error) {
	if !told.PluginRegistered {
		r.failed <- fmt.Errorf("the kubelet did not take the driver %s: %s", r.driver, told.Error)
	}
	return &registration.RegistrationStatusResponse{}, nil
}

type node struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedNodeServer
	driver     string
	account    account
	name, zone string
	mounting   sync.Mutex
}

func (n *node) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: n.driver, VendorVersion: version}, nil
}

func (n *node) GetPluginCapabilities(context.Context, *csi.GetPluginCapabilitiesRequest) (*csi.GetPluginCapabilitiesResponse, error) {
	return &csi.GetPluginCapabilitiesResponse{}, nil
}

func (n *node) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{}, nil
}

func (n *node) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	info := &csi.NodeGetInfoResponse{NodeId: n.name}
	if n.driver == ebsDriver {
		info.AccessibleTopology = &csi.Topology{Segments: map[string]string{zoneLabel: n.zone}}
	}
	return info, nil
}

func (n *node) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	rpc := &csi.NodeServiceCapability_RPC{Type: csi.NodeServiceCapability_RPC_STAGE_UNSTAGE_VOLUME}
	capability := &csi.NodeServiceCapability{Type: &csi.NodeServiceCapability_Rpc{Rpc: rpc}}
	return &csi.NodeGetCapabilitiesResponse{Capabilities: []*csi.NodeServiceCapability{capability}}, nil
}

// NodeStageVolume mounts a volume once for the node.
func (n *node) NodeStageVolume(_ context.Context, request *csi.NodeStageVolumeRequest) (*csi.NodeStageVolumeResponse, error) {
	n.mounting.Lock()
	defer n.mounting.Unlock()
	target := request.GetStagingTargetPath()
	if answers(target) {
		return &csi.NodeStageVolumeResponse{}, nil
	}
	if err := unmount(target); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	if err := os.MkdirAll(target, 0o750); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	if err := n.mount(request.GetVolumeId(), target); err != nil {
		return nil, err
	}
	return &csi.NodeStageVolumeResponse{}, nil
}

func (n *node) NodeUnstageVolume(_ context.Context, request *csi.NodeUnstageVolumeRequest) (*csi.NodeUnstageVolumeResponse, error) {
	n.mounting.Lock()
	defer n.mounting.Unlock()
	if err := unmount(request.GetStagingTargetPath()); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.NodeUnstageVolumeResponse{}, nil
}

// NodePublishVolume shows a volume that is mounted for the node to a pod.
func (n *node) NodePublishVolume(_ context.Context, request *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	n.mounting.Lock()
	defer n.mounting.Unlock()
	target := request.GetTargetPath()
	if answers(target) {
		return &csi.NodePublishVolumeResponse{}, nil
	}
	if err := errors.Join(unmount(target), os.MkdirAll(target, 0o750)); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	if err := bind(request.GetStagingTargetPath(), target, request.GetReadonly()); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.NodePublishVolumeResponse{}, nil
}

func (n *node) NodeUnpublishVolume(_ context.Context, request *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	n.mounting.Lock()
	defer n.mounting.Unlock()
	if err := unmount(request.GetTargetPath()); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	if err := os.Remove(request.GetTargetPath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}

func (n *node) mount(id, target string) error {
	if n.driver == ebsDriver {
		disk := n.account.disk(id)
		if !diskName.MatchString(id) || !isFolder(disk) {
			return status.Errorf(codes.NotFound, "Volume %q not found", id)
		}
		return internal(bind(disk, target, false))
	}
	fileSystem, rest, _ := strings.Cut(id, ":")
	root, err := n.account.fileSystem(fileSystem)
	if err != nil {
		return status.Errorf(codes.Internal, "Could not mount %q at %q: Failed to resolve %q", fileSystem, target, fileSystem)
	}
	path, access, _ := strings.Cut(rest, ":")
	if access == "" {
		return internal(bind(filepath.Join(root, filepath.Join("/", path)), target, false))
	}
	point, err := n.account.accessPoint(access)
	if err != nil || point.FileSystem != fileSystem {
		return status.Errorf(codes.Internal, "Could not mount %q at %q: mount.nfs4: access denied by server while mounting 127.0.0.1:/ (access point %s)", fileSystem, target, access)
	}
	return internal(startAccessPoint(filepath.Join(root, point.Path, path), target, point))
}

func internal(err error) error {
	if err == nil {
		return nil
	}
	return status.Error(codes.Internal, err.Error())
}

// startAccessPoint starts the program that shows the folder; it outlives this one, and ends when it is unmounted.
func startAccessPoint(from, to string, point accessPoint) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	command := exec.Command(program, "mount", "-from", from, "-to", to, "-uid", strconv.Itoa(point.UID), "-gid", strconv.Itoa(point.GID))
	command.Stderr = os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	output, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	said, _ := bufio.NewReader(output).ReadString('\n')
	go func() { _ = command.Wait() }()
	if said != ready {
		return fmt.Errorf("the access point did not come up: %s", command)
	}
	return nil
}

func bind(from, to string, readOnly bool) error {
	if err := syscall.Mount(from, to, "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount --bind %s %s: %w", from, to, err)
	}
	if readOnly {
		return syscall.Mount("", to, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, "")
	}
	return nil
}

// answers says whether something is mounted there that works: an access point whose program has ended does not.
func answers(path string) bool {
	var here, above syscall.Stat_t
	if syscall.Stat(path, &here) != nil || syscall.Stat(filepath.Dir(path), &above) != nil {
		return false
	}
	return mounted(path)
}

func mounted(path string) bool {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return false
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) > 4 && fields[4] == path {
			return true
		}
	}
	return false
}

func unmount(path string) error {
	for mounted(path) {
		if err := syscall.Unmount(path, syscall.MNT_DETACH); err != nil {
			return fmt.Errorf("umount %s: %w", path, err)
		}
	}
	return nil
}
