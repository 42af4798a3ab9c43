// An access point of EFS: whoever asks, it is done as one user, and nobody changes an owner. The program gives up being
// root once the mount is there, so that it is the system that decides what this user may.
package main

import (
	"context"
	"fmt"
	"os"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

const ready = "ready\n"

// squashed is a file or folder below an access point.
type squashed struct{ fs.LoopbackNode }

var (
	_ = (fs.NodeSetattrer)((*squashed)(nil))
	_ = (fs.NodeAccesser)((*squashed)(nil))
	_ = (fs.NodeWrapChilder)((*squashed)(nil))
)

// WrapChild makes everything below as this is.
func (s *squashed) WrapChild(_ context.Context, operations fs.InodeEmbedder) fs.InodeEmbedder {
	if found, ok := operations.(*fs.LoopbackNode); ok {
		return &squashed{LoopbackNode: fs.LoopbackNode{RootData: found.RootData}}
	}
	return operations
}

// Setattr refuses to change owners: the server knows one user only.
func (s *squashed) Setattr(ctx context.Context, file fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if in.Valid&(fuse.FATTR_UID|fuse.FATTR_GID) != 0 {
		return syscall.EPERM
	}
	return s.LoopbackNode.Setattr(ctx, file, in, out)
}

// Access asks what the access point's user may, whoever the caller is.
func (s *squashed) Access(_ context.Context, mask uint32) syscall.Errno {
	return fs.ToErrno(unix.Access(s.at(), mask))
}

func (s *squashed) at() string {
	return s.RootData.Path + "/" + s.Path(s.Root())
}

func serveAccessPoint(from, to string, uid, gid int) error {
	var found syscall.Stat_t
	if err := syscall.Stat(from, &found); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	data := &fs.LoopbackRoot{Path: from, Dev: uint64(found.Dev)}
	root := &squashed{LoopbackNode: fs.LoopbackNode{RootData: data}}
	data.RootNode = root
	options := &fs.Options{
		NullPermissions: true,
		MountOptions: fuse.MountOptions{
			AllowOther:        true,
			DirectMountStrict: true,
			DisableXAttrs:     true, // EFS has none
			EnableLocks:       true,
			MaxWrite:          1 << 20,
			Name:              "efs",
			FsName:            "127.0.0.1:/",
		},
	}
	syscall.Umask(0) // the caller's own has been heeded before we are asked
	server, err := fs.Mount(to, root, options)
	if err != nil {
		return fmt.Errorf("fuse: %w", err)
	}
	if err := become(uid, gid); err != nil {
		_ = server.Unmount()
		return err
	}
	fmt.Print(ready)
	_ = os.Stdout.Close()
	server.Wait()
	return nil
}

func become(uid, gid int) error {
	if err := syscall.Setgroups([]int{}); err != nil {
		return err
	}
	if err := syscall.Setgid(gid); err != nil {
		return err
	}
	return syscall.Setuid(uid)
}
