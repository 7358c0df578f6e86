package kube

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// The size of a claim is a disk's where a disk was made for it, whoever may look
// at the volume itself.
func TestWhichVolumesAreDisksOfTheirSize(t *testing.T) {
	csi := func(driver string) *corev1.PersistentVolumeSource {
		return &corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: driver}}
	}
	for _, row := range []struct {
		asked  string
		volume *corev1.PersistentVolumeSource
		by     string
		disk   bool
	}{
		{"ebs.csi.aws.com", nil, "ebs.csi.aws.com", true},
		{"rancher.io/local-path", nil, "rancher.io/local-path", false},
		{"", nil, "", false},
		{"", &corev1.PersistentVolumeSource{}, "", false},
		{"", csi("pd.csi.storage.gke.io"), "pd.csi.storage.gke.io", true},
		{"", csi("rook-ceph.rbd.csi.ceph.com"), "rook-ceph.rbd.csi.ceph.com", true},
		{"", csi("rook-ceph.cephfs.csi.ceph.com"), "rook-ceph.cephfs.csi.ceph.com", false},
		{"", csi("efs.csi.aws.com"), "efs.csi.aws.com", false},
		{"ebs.csi.aws.com", csi("example.com/unheard-of"), "example.com/unheard-of", false},
		{"ebs.csi.aws.com", &corev1.PersistentVolumeSource{AWSElasticBlockStore: &corev1.AWSElasticBlockStoreVolumeSource{}}, "kubernetes.io/aws-ebs", true},
		{"k8s.io/minikube-hostpath", &corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{}}, "hostPath", false},
		{"ebs.csi.aws.com", &corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{}}, "local", false},
		{"", &corev1.PersistentVolumeSource{NFS: &corev1.NFSVolumeSource{}}, "nfs", false},
	} {
		for _, annotation := range []string{annotProvisioner, annotProvisionerBeta} {
			v := volume{}
			v.claim.Annotations = map[string]string{annotation: row.asked}
			v.claim.Status.Capacity = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("8Gi")}
			if row.volume != nil {
				v.volume = &corev1.PersistentVolume{Spec: corev1.PersistentVolumeSpec{PersistentVolumeSource: *row.volume}}
			}
			if got := v.view(); got.By != row.by || got.Disk != row.disk || got.Bytes != 8<<30 {
				t.Errorf("%+v: %+v", row, got)
			}
		}
	}
}
