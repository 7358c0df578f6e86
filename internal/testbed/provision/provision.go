// Package provision is the smallest dynamic volume provisioner: for a pending
// claim of its storage class it makes a directory and a bound "local" volume
// on it (the kubelet applies fsGroup to those, unlike to hostPath). It knows
// claims and volumes, and it obeys the reclaim policy: a volume that is to be
// retained is never touched, whatever becomes of its claim.
package provision

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/testbed/kubeapi"
)

// Name is the provisioner's name in storage classes and annotations.
const Name = "circleci-dr.testbed/local"

const annotation = "pv.kubernetes.io/provisioned-by"

const (
	claimsPath  = "/api/v1/persistentvolumeclaims"
	volumesPath = "/api/v1/persistentvolumes"
	classesPath = "/apis/storage.k8s.io/v1/storageclasses"
)

// Provisioner makes volumes below Dir on the node Node.
type Provisioner struct {
	API  *kubeapi.Client
	Dir  string
	Node string
}

// Run reconciles at every change of a claim or a volume until ctx is done.
// Events only say that something changed: what to do comes from a fresh list,
// so a lost event costs at most the longest pause between two looks.
func (p *Provisioner) Run(ctx context.Context) {
	changed := make(chan struct{}, 1)
	for _, path := range []string{claimsPath, volumesPath} {
		go p.follow(ctx, path, changed)
	}
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		if err := p.reconcile(ctx); err != nil && ctx.Err() == nil {
			log.Printf("reconcile: %v", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-tick.C:
		}
	}
}

func (p *Provisioner) follow(ctx context.Context, path string, changed chan<- struct{}) {
	notify := func() {
		select {
		case changed <- struct{}{}:
		default: // a look is due already
		}
	}
	for ctx.Err() == nil {
		var list struct{ Metadata metadata }
		err := p.API.Get(ctx, path+"?limit=1", &list)
		if err == nil {
			notify()
			err = p.API.Watch(ctx, path, list.Metadata.ResourceVersion, notify)
		}
		if err != nil && ctx.Err() == nil {
			log.Printf("follow %s: %v", path, err)
			select {
			case <-ctx.Done():
			case <-time.After(500 * time.Millisecond): // the server may be restarting
			}
		}
	}
}

func (p *Provisioner) reconcile(ctx context.Context) error {
	var claims struct{ Items []claim }
	var volumes struct{ Items []volume }
	var classes struct{ Items []class }
	for path, out := range map[string]any{claimsPath: &claims, volumesPath: &volumes, classesPath: &classes} {
		if err := p.API.Get(ctx, path, out); err != nil {
			return err
		}
	}
	have := map[string]bool{}
	for _, v := range volumes.Items {
		have[v.Metadata.Name] = true
	}
	var errs []error
	for _, c := range claims.Items {
		if cl, ok := wanted(c, classes.Items); ok && !have[volumeName(c)] {
			errs = append(errs, p.provision(ctx, c, cl))
		}
	}
	for _, v := range volumes.Items {
		if deletable(v) {
			errs = append(errs, p.remove(ctx, v))
		}
	}
	return errors.Join(errs...)
}

// wanted says whether a claim waits for this provisioner, and its class.
func wanted(c claim, classes []class) (class, bool) {
	if c.Status.Phase != "Pending" || c.Spec.VolumeName != "" || c.Metadata.DeletionTimestamp != "" {
		return class{}, false
	}
	for _, cl := range classes {
		if cl.Metadata.Name == c.Spec.StorageClassName && cl.Provisioner == Name {
			return cl, true
		}
	}
	return class{}, false
}

// deletable says whether a volume is ours, let go by its claim, and meant to be
// deleted then.
func deletable(v volume) bool {
	return v.Metadata.Annotations[annotation] == Name && v.Status.Phase == "Released" &&
		v.Spec.ReclaimPolicy == "Delete" && v.Metadata.DeletionTimestamp == ""
}

func volumeName(c claim) string { return "pvc-" + c.Metadata.UID }

func (p *Provisioner) provision(ctx context.Context, c claim, cl class) error {
	dir := filepath.Join(p.Dir, c.Metadata.Namespace+"-"+c.Metadata.Name+"-"+c.Metadata.UID)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("make the directory of claim %s/%s: %w", c.Metadata.Namespace, c.Metadata.Name, err)
	}
	// Any user may write: the pod's fsGroup, where it has one, narrows it.
	if err := os.Chmod(dir, 0o777); err != nil {
		return fmt.Errorf("open the directory of claim %s/%s: %w", c.Metadata.Namespace, c.Metadata.Name, err)
	}
	err := p.API.Create(ctx, volumesPath, newVolume(c, cl, dir, p.Node))
	var status *kubeapi.StatusError
	if errors.As(err, &status) && status.Code == http.StatusConflict {
		return nil // made at the look before; the list was older
	}
	if err != nil {
		return fmt.Errorf("provision claim %s/%s: %w", c.Metadata.Namespace, c.Metadata.Name, err)
	}
	log.Printf("provisioned %s for %s/%s", dir, c.Metadata.Namespace, c.Metadata.Name)
	return nil
}

// remove deletes the directory first: should it fail half way, the volume is
// still there and the next look tries again.
func (p *Provisioner) remove(ctx context.Context, v volume) error {
	dir := filepath.Clean(v.Spec.Local.Path)
	if !strings.HasPrefix(dir, p.Dir+"/") {
		return fmt.Errorf("delete volume %s: its path %s is not below %s; left alone", v.Metadata.Name, dir, p.Dir)
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("delete volume %s: %w", v.Metadata.Name, err)
	}
	if err := p.API.Delete(ctx, volumesPath+"/"+v.Metadata.Name); err != nil {
		return fmt.Errorf("delete volume %s: %w", v.Metadata.Name, err)
	}
	log.Printf("deleted %s", dir)
	return nil
}
