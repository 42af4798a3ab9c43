// What runs once for the cluster: making and removing volumes, and attaching disks to nodes.
package main

import (
	"context"
	"encoding/json"
	"time"

	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

const workers = 8

func control(ctx context.Context, account account, kubeconfig string) error {
	configuration, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	configuration.QPS, configuration.Burst = 50, 100
	client, err := kubernetes.NewForConfig(configuration)
	if err != nil {
		return err
	}
	go attach(ctx, client)
	go provision(ctx, client, efsDriver, &efs{account: account})
	provision(ctx, client, ebsDriver, &ebs{account: account, client: client})
	return nil
}

// provision answers claims until the end; one that failed is tried again soon: a mended class helps at once.
func provision(ctx context.Context, client kubernetes.Interface, driver string, by controller.Provisioner) {
	again := workqueue.NewTypedItemExponentialFailureRateLimiter[string](time.Second, 10*time.Second)
	controller.NewProvisionController(ctx, client, driver, by,
		controller.LeaderElection(false),
		controller.Threadiness(workers),
		controller.RateLimiter(again),
		controller.FailedProvisionThreshold(0),
		controller.FailedDeleteThreshold(0),
		controller.AddFinalizer(true),
	).Run(ctx)
}

func volume(options controller.ProvisionOptions, driver, handle, fileSystem string) *core.PersistentVolume {
	mode := core.PersistentVolumeFilesystem
	return &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{Name: options.PVName},
		Spec: core.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *options.StorageClass.ReclaimPolicy,
			AccessModes:                   options.PVC.Spec.AccessModes,
			Capacity:                      core.ResourceList{core.ResourceStorage: *options.PVC.Spec.Resources.Requests.Storage()},
			MountOptions:                  options.StorageClass.MountOptions,
			VolumeMode:                    &mode,
			PersistentVolumeSource: core.PersistentVolumeSource{
				CSI: &core.CSIPersistentVolumeSource{Driver: driver, VolumeHandle: handle, FSType: fileSystem},
			},
		},
	}
}

// attach says yes to every attachment of a disk: that it is one node at a time, Kubernetes itself sees to.
func attach(ctx context.Context, client kubernetes.Interface) {
	factory := informers.NewSharedInformerFactory(client, time.Minute)
	informer := factory.Storage().V1().VolumeAttachments().Informer()
	say := func(found any) {
		wanted, ok := found.(*storage.VolumeAttachment)
		if !ok || wanted.Spec.Attacher != ebsDriver || wanted.Status.Attached || wanted.DeletionTimestamp != nil {
			return
		}
		yes, err := json.Marshal(map[string]any{"status": map[string]any{"attached": true}})
		if err == nil {
			_, err = client.StorageV1().VolumeAttachments().Patch(ctx, wanted.Name, types.MergePatchType, yes, meta.PatchOptions{}, "status")
		}
		if err != nil {
			klog.ErrorS(err, "attaching failed; it is tried again within a minute", "attachment", wanted.Name)
		}
	}
	handler := cache.ResourceEventHandlerFuncs{AddFunc: say, UpdateFunc: func(_, found any) { say(found) }}
	if _, err := informer.AddEventHandler(handler); err != nil {
		klog.ErrorS(err, "no disk will be attached")
	}
	factory.Start(ctx.Done())
}
