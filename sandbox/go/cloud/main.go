// Command cloud is what the twin has instead of AWS: it makes the volumes that claims of the storage classes of
// efs.csi.aws.com and ebs.csi.aws.com ask for, and mounts them in pods. What a real account would hold is a folder that
// all nodes share, named by -account.
//
//	cloud control -kubeconfig FILE        makes, removes and attaches volumes (one for the cluster)
//	cloud node -name NAME -zone ZONE      is the CSI driver of both kinds of volume on a node
//	cloud mount -from DIR -to DIR ...     shows a folder as an access point of EFS does (started by node)
//	cloud htpasswd -user NAME             writes the line that a registry knows a user by; the password is on stdin
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/crypto/bcrypt"
)

const (
	efsDriver = "efs.csi.aws.com"
	ebsDriver = "ebs.csi.aws.com"
	version   = "1"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	if len(arguments) == 0 {
		return errors.New("usage: cloud control|node|mount|htpasswd")
	}
	flags := flag.NewFlagSet(arguments[0], flag.ContinueOnError)
	where := flags.String("account", "/cloud", "the folder that is the account")
	switch arguments[0] {
	case "control":
		kubeconfig := flags.String("kubeconfig", "/etc/kubernetes/admin.conf", "who to be to the cluster")
		if err := flags.Parse(arguments[1:]); err != nil {
			return err
		}
		return control(ctx, account{*where}, *kubeconfig)
	case "node":
		name := flags.String("name", "", "the node's name in the cluster")
		zone := flags.String("zone", "", "the node's availability zone")
		if err := flags.Parse(arguments[1:]); err != nil {
			return err
		}
		return serveNode(ctx, account{*where}, *name, *zone)
	case "mount":
		from := flags.String("from", "", "the folder that is shown")
		to := flags.String("to", "", "where it is shown")
		uid := flags.Int("uid", 0, "who all of it is done as")
		gid := flags.Int("gid", 0, "and in which group")
		if err := flags.Parse(arguments[1:]); err != nil {
			return err
		}
		return serveAccessPoint(*from, *to, *uid, *gid)
	case "htpasswd":
		user := flags.String("user", "", "the user's name")
		if err := flags.Parse(arguments[1:]); err != nil {
			return err
		}
		return writePassword(*user)
	}
	return fmt.Errorf("cloud does not know %s", arguments[0])
}

func writePassword(user string) error {
	password, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	hashed, err := bcrypt.GenerateFromPassword(password, bcrypt.DefaultCost)
	if err != nil {
		return err
	}
	fmt.Printf("%s:%s\n", user, hashed)
	return nil
}
