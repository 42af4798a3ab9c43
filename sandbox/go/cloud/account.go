// The account: file systems, access points and disks, as folders and small files that all nodes see.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

var (
	errNoFileSystem  = errors.New("Resource was not found") // as the driver words it
	fileSystemName   = regexp.MustCompile(`^fs-[0-9a-f]{8,40}$`)
	accessPointName  = regexp.MustCompile(`^fsap-[0-9a-f]{8,40}$`)
	diskName         = regexp.MustCompile(`^vol-[0-9a-f]{8,40}$`)
	privateDirectory = os.FileMode(0o711)
)

type account struct{ root string }

// accessPoint is a folder of a file system, and who everybody is in it.
type accessPoint struct {
	FileSystem string `json:"fileSystem"`
	Path       string `json:"path"`
	UID        int    `json:"uid"`
	GID        int    `json:"gid"`
}

func (a account) fileSystem(id string) (string, error) {
	path := filepath.Join(a.root, "efs", id)
	if !fileSystemName.MatchString(id) || !isFolder(path) {
		return "", errNoFileSystem
	}
	return path, nil
}

func (a account) disk(id string) string { return filepath.Join(a.root, "ebs", filepath.Base(id)) }

func (a account) accessPointFile(id string) string {
	return filepath.Join(a.root, "access-points", filepath.Base(id)+".json")
}

func (a account) accessPoint(id string) (accessPoint, error) {
	var point accessPoint
	text, err := os.ReadFile(a.accessPointFile(id))
	if err == nil {
		err = json.Unmarshal(text, &point)
	}
	return point, err
}

func (a account) accessPoints() ([]accessPoint, error) {
	files, err := filepath.Glob(filepath.Join(a.root, "access-points", "*.json"))
	var points []accessPoint
	for _, file := range files {
		name := filepath.Base(file)
		point, failed := a.accessPoint(name[:len(name)-len(".json")])
		if failed != nil && !errors.Is(failed, fs.ErrNotExist) {
			return nil, failed
		}
		points = append(points, point)
	}
	return points, err
}

// createAccessPoint makes the folder for who it belongs to; one that is there keeps its owner, as EFS has it.
func (a account) createAccessPoint(id string, point accessPoint, permissions os.FileMode) error {
	root, err := a.fileSystem(point.FileSystem)
	if err != nil {
		return err
	}
	folder := filepath.Join(root, point.Path)
	if err := os.MkdirAll(filepath.Dir(folder), privateDirectory); err != nil {
		return err
	}
	if err := os.Mkdir(folder, 0o700); err == nil {
		err = errors.Join(os.Chown(folder, point.UID, point.GID), os.Chmod(folder, permissions))
		if err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return err
	}
	text, err := json.Marshal(point)
	if err != nil {
		return err
	}
	return replaceFile(a.accessPointFile(id), text)
}

func replaceFile(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), privateDirectory); err != nil {
		return err
	}
	temporary := path + ".new"
	if err := os.WriteFile(temporary, text, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// idOf gives the same name for the same thing asked for again: whoever is killed in the middle makes no second one.
func idOf(prefix, of string) string {
	sum := sha256.Sum256([]byte(of))
	return prefix + hex.EncodeToString(sum[:])[:17]
}

func isFolder(path string) bool {
	found, err := os.Stat(path)
	return err == nil && found.IsDir()
}
