package kube

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// disks are the drivers and provisioners that give each volume a disk of its own
// size (kubernetes-csi.github.io/docs/drivers.html and each driver's own page; the
// kubernetes.io/ ones are those in-tree). The size of any other need not hold: a
// directory of a node and most shares have the room of what they lie on.
var disks = []string{
	"kubernetes.io/aws-ebs", "ebs.csi.aws.com", "ebs.csi.eks.amazonaws.com",
	"kubernetes.io/gce-pd", "pd.csi.storage.gke.io",
	"kubernetes.io/azure-disk", "disk.csi.azure.com",
	"kubernetes.io/cinder", "cinder.csi.openstack.org",
	"kubernetes.io/vsphere-volume", "csi.vsphere.vmware.com",
	"kubernetes.io/rbd", "rbd.csi.ceph.com",
	"driver.longhorn.io", "topolvm.io", "local.csi.openebs.io",
	"blockvolume.csi.oraclecloud.com", "vpc.block.csi.ibm.io", "diskplugin.csi.alibabacloud.com",
	"dobs.csi.digitalocean.com", "linodebs.csi.linode.com", "csi.hetzner.cloud", "block.csi.vultr.com",
}

// isDisk tells whether what provides a volume is known to give a disk of the
// volume's own size. Rook puts its own name before Ceph's.
func isDisk(by string) bool {
	return slices.Contains(disks, by) || strings.HasSuffix(by, ".rbd.csi.ceph.com")
}

// The annotations by which Kubernetes and provisioners say who made a volume
// (kubernetes.io/docs/reference/labels-annotations-taints). The claim has it too,
// for those who may not read volumes.
const (
	annotProvisioner     = "volume.kubernetes.io/storage-provisioner"
	annotProvisionerBeta = "volume.beta.kubernetes.io/storage-provisioner"
)

// by names what provides a volume, or "" where nothing says so. What the volume
// is counts for more than who was asked for it.
func (v volume) by() string {
	asked := cmp.Or(v.claim.Annotations[annotProvisioner], v.claim.Annotations[annotProvisionerBeta])
	if v.volume == nil {
		return asked
	}
	switch from := v.volume.Spec.PersistentVolumeSource; {
	case from.CSI != nil:
		return from.CSI.Driver
	case from.HostPath != nil:
		return "hostPath"
	case from.Local != nil:
		return "local"
	case from.NFS != nil:
		return "nfs"
	default:
		return cmp.Or(inTree(from), asked)
	}
}

// inTree is the provisioner's name for kinds of volumes that are disks and were
// in Kubernetes itself. They are read as such for ever, whoever serves them now.
func inTree(from corev1.PersistentVolumeSource) string {
	switch {
	case from.AWSElasticBlockStore != nil:
		return "kubernetes.io/aws-ebs"
	case from.GCEPersistentDisk != nil:
		return "kubernetes.io/gce-pd"
	case from.AzureDisk != nil:
		return "kubernetes.io/azure-disk"
	case from.Cinder != nil:
		return "kubernetes.io/cinder"
	case from.VsphereVolume != nil:
		return "kubernetes.io/vsphere-volume"
	case from.RBD != nil:
		return "kubernetes.io/rbd"
	}
	return ""
}
