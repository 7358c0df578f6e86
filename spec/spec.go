// Package spec is the shape of circleci-dr.yaml: its Go types, how it is
// loaded, which defaults it has and which rules hold across its fields.
//
// It knows files, YAML and JSON Schema. It knows nothing about clusters,
// databases or plans, and it never resolves a secret: a SecretRef stays a
// reference until an adapter uses it.
package spec

// APIVersion is the only version of the file this release writes.
const APIVersion = "circleci-dr/v1"

// Spec is the whole of circleci-dr.yaml. The struct is what the YAML decodes
// into; there is no second model between the file and the planner.
type Spec struct {
	APIVersion      string           `yaml:"apiVersion" json:"apiVersion"`
	Name            string           `yaml:"name" json:"name"`
	Server          *Server          `yaml:"server,omitempty" json:"server,omitempty"`
	ServicesMachine *ServicesMachine `yaml:"servicesMachine,omitempty" json:"servicesMachine,omitempty"`
	Datastores      Datastores       `yaml:"datastores" json:"datastores"`
	Backup          *Backup          `yaml:"backup,omitempty" json:"backup,omitempty"`
	Restore         *Restore         `yaml:"restore,omitempty" json:"restore,omitempty"`
	Mover           Mover            `yaml:"mover,omitempty" json:"mover,omitempty"`

	// source remembers positions and notes; nil for a Spec that was not loaded.
	source *source
}

// Server is a CircleCI Server 4.x installation: one Helm release.
type Server struct {
	KubeContext string    `yaml:"kubeContext,omitempty" json:"kubeContext,omitempty"`
	Namespace   string    `yaml:"namespace" json:"namespace"`
	Release     string    `yaml:"release" json:"release"`
	Chart       string    `yaml:"chart,omitempty" json:"chart,omitempty"`
	Version     string    `yaml:"version,omitempty" json:"version,omitempty"`
	Values      []string  `yaml:"values,omitempty" json:"values,omitempty"`
	ManagedBy   ManagedBy `yaml:"managedBy,omitempty" json:"managedBy,omitempty"`
}

// ManagedBy says who reconciles the Helm release.
type ManagedBy string

// The tools that may own a Helm release. Empty means "detect".
const (
	ManagedByHelm      ManagedBy = "helm"
	ManagedByArgoCD    ManagedBy = "argocd"
	ManagedByFlux      ManagedBy = "flux"
	ManagedByTerraform ManagedBy = "terraform"
)

// ServicesMachine is the older 1.x/2.x generation: one VM on AWS.
type ServicesMachine struct {
	Region     string `yaml:"region" json:"region"`
	InstanceID string `yaml:"instanceId" json:"instanceId"`
	Version    string `yaml:"version,omitempty" json:"version,omitempty"`
	SSH        *SSH   `yaml:"ssh,omitempty" json:"ssh,omitempty"`
}

// SSH is how the services machine is reached.
type SSH struct {
	Host       string    `yaml:"host" json:"host"`
	User       string    `yaml:"user,omitempty" json:"user,omitempty"`
	PrivateKey SecretRef `yaml:"privateKey" json:"privateKey"`
	KnownHosts string    `yaml:"knownHosts,omitempty" json:"knownHosts,omitempty"`
}

// Location says where a datastore lives.
type Location string

// The two locations. Changing from one to the other is a migration.
const (
	Internal Location = "internal"
	External Location = "external"
)

// Datastores holds one block per engine. A missing block is left alone and
// shown as uncovered.
type Datastores struct {
	PostgreSQL *PostgreSQL `yaml:"postgresql,omitempty" json:"postgresql,omitempty"`
	MongoDB    *MongoDB    `yaml:"mongodb,omitempty" json:"mongodb,omitempty"`
}

// PostgreSQL says where the PostgreSQL databases live.
type PostgreSQL struct {
	Location Location            `yaml:"location" json:"location"`
	External *PostgreSQLExternal `yaml:"external,omitempty" json:"external,omitempty"`
}

// PostgreSQLExternal is the server outside the release.
type PostgreSQLExternal struct {
	Host     string    `yaml:"host" json:"host"`
	Port     int       `yaml:"port,omitempty" json:"port,omitempty"`
	Username string    `yaml:"username" json:"username"`
	Password SecretRef `yaml:"password" json:"password"`
	TLS      TLS       `yaml:"tls,omitempty" json:"tls,omitempty"`
	// DiskGiB is declared, not measured: SQL cannot ask for free disk.
	DiskGiB int `yaml:"diskGiB,omitempty" json:"diskGiB,omitempty"`
}

// TLSMode is libpq's sslmode, without the modes that fall back to plain text.
type TLSMode string

// The TLS modes, in libpq's words (PostgreSQL manual, "SSL Support").
const (
	TLSDisable    TLSMode = "disable"
	TLSRequire    TLSMode = "require"
	TLSVerifyCA   TLSMode = "verify-ca"
	TLSVerifyFull TLSMode = "verify-full"
)

// TLS says how a connection to an external datastore is protected. The
// default mode is verify-full.
type TLS struct {
	Mode TLSMode    `yaml:"mode,omitempty" json:"mode,omitempty"`
	CA   *SecretRef `yaml:"ca,omitempty" json:"ca,omitempty"`
}

// MongoDB says where the MongoDB databases live.
type MongoDB struct {
	Location Location         `yaml:"location" json:"location"`
	External *MongoDBExternal `yaml:"external,omitempty" json:"external,omitempty"`
}

// MongoDBExternal is the deployment outside the release.
type MongoDBExternal struct {
	Hosts      []string   `yaml:"hosts" json:"hosts"`
	Database   string     `yaml:"database,omitempty" json:"database,omitempty"`
	Username   string     `yaml:"username" json:"username"`
	Password   SecretRef  `yaml:"password" json:"password"`
	AuthSource string     `yaml:"authSource,omitempty" json:"authSource,omitempty"`
	Mechanism  string     `yaml:"mechanism,omitempty" json:"mechanism,omitempty"`
	ReplicaSet string     `yaml:"replicaSet,omitempty" json:"replicaSet,omitempty"`
	Options    string     `yaml:"options,omitempty" json:"options,omitempty"`
	TLS        MongoDBTLS `yaml:"tls,omitempty" json:"tls,omitempty"`
	DiskGiB    int        `yaml:"diskGiB,omitempty" json:"diskGiB,omitempty"`
}

// MongoDBTLS is TLS with an optional client certificate.
type MongoDBTLS struct {
	Enabled           *bool      `yaml:"enabled,omitempty" json:"enabled,omitempty"`
	CA                *SecretRef `yaml:"ca,omitempty" json:"ca,omitempty"`
	ClientCertificate *SecretRef `yaml:"clientCertificate,omitempty" json:"clientCertificate,omitempty"`
}

// SecretRef points at a secret; exactly one of its fields is set. The secret
// itself never stands in the file.
type SecretRef struct {
	// Secret is a key of a Kubernetes Secret in the release's namespace.
	Secret *SecretKey `yaml:"secret,omitempty" json:"secret,omitempty"`
	// Env is an environment variable of the runner.
	Env string `yaml:"env,omitempty" json:"env,omitempty"`
	// File is a file of the runner, relative to the spec.
	File string `yaml:"file,omitempty" json:"file,omitempty"`
}

// SecretKey is one key of a Kubernetes Secret.
type SecretKey struct {
	Name string `yaml:"name" json:"name"`
	Key  string `yaml:"key" json:"key"`
}

// Backup is how often, how long and where backup sets are kept.
type Backup struct {
	Schedule   string      `yaml:"schedule,omitempty" json:"schedule,omitempty"`
	Retention  Retention   `yaml:"retention,omitempty" json:"retention,omitempty"`
	Encryption *Encryption `yaml:"encryption,omitempty" json:"encryption,omitempty"`
	PreUpgrade string      `yaml:"preUpgrade,omitempty" json:"preUpgrade,omitempty"`
	Store      string      `yaml:"store,omitempty" json:"store,omitempty"`
	Objectives Objectives  `yaml:"objectives,omitempty" json:"objectives,omitempty"`
}

// Retention is how long backup sets are kept: age in days counted from the
// newest good set, and a number of good sets that never expire.
type Retention struct {
	Days        int `yaml:"days,omitempty" json:"days,omitempty"`
	MinimumGood int `yaml:"minimumGood,omitempty" json:"minimumGood,omitempty"`
}

// Encryption is how backup sets are encrypted; exactly one of its fields.
type Encryption struct {
	Age *AgeEncryption `yaml:"age,omitempty" json:"age,omitempty"`
	KMS *KMSEncryption `yaml:"kms,omitempty" json:"kms,omitempty"`
}

// AgeEncryption encrypts to age recipients (public keys).
type AgeEncryption struct {
	Recipients []string `yaml:"recipients" json:"recipients"`
}

// KMSEncryption encrypts with a key of a cloud key service.
type KMSEncryption struct {
	Key string `yaml:"key" json:"key"`
}

// Objectives are what backups are measured against, as Go durations.
type Objectives struct {
	RPO string `yaml:"rpo,omitempty" json:"rpo,omitempty"`
	RTO string `yaml:"rto,omitempty" json:"rto,omitempty"`
}

// Restore says where the installation would be restored.
type Restore struct {
	Target RestoreTarget `yaml:"target" json:"target"`
}

// RestoreTarget is a cluster and a namespace.
type RestoreTarget struct {
	KubeContext string `yaml:"kubeContext" json:"kubeContext"`
	Namespace   string `yaml:"namespace" json:"namespace"`
}

// Mover shapes the pods that move bytes and look at databases.
type Mover struct {
	Image            string            `yaml:"image,omitempty" json:"image,omitempty"`
	Resources        Resources         `yaml:"resources,omitempty" json:"resources,omitempty"`
	NodeSelector     map[string]string `yaml:"nodeSelector,omitempty" json:"nodeSelector,omitempty"`
	Tolerations      []Toleration      `yaml:"tolerations,omitempty" json:"tolerations,omitempty"`
	ImagePullSecrets []string          `yaml:"imagePullSecrets,omitempty" json:"imagePullSecrets,omitempty"`
	Annotations      map[string]string `yaml:"annotations,omitempty" json:"annotations,omitempty"`
	Labels           map[string]string `yaml:"labels,omitempty" json:"labels,omitempty"`
	// ServiceAccountName is who the pods that move bytes run as; no pod of theirs
	// gets its token.
	ServiceAccountName string           `yaml:"serviceAccountName,omitempty" json:"serviceAccountName,omitempty"`
	SecurityContext    *SecurityContext `yaml:"securityContext,omitempty" json:"securityContext,omitempty"`
	// Streams is how many tables are copied at a time; 0 means the default of 2.
	Streams int `yaml:"streams,omitempty" json:"streams,omitempty"`
}

// SecurityContext is what the pods ask for instead of user and group 1001. What
// it does not name is left to the cluster.
type SecurityContext struct {
	RunAsUser  *int64 `yaml:"runAsUser,omitempty" json:"runAsUser,omitempty"`
	RunAsGroup *int64 `yaml:"runAsGroup,omitempty" json:"runAsGroup,omitempty"`
	FSGroup    *int64 `yaml:"fsGroup,omitempty" json:"fsGroup,omitempty"`
}

// Resources are Kubernetes requests and limits, as quantities.
type Resources struct {
	Requests map[string]string `yaml:"requests,omitempty" json:"requests,omitempty"`
	Limits   map[string]string `yaml:"limits,omitempty" json:"limits,omitempty"`
}

// Toleration is a Kubernetes toleration.
type Toleration struct {
	Key      string `yaml:"key,omitempty" json:"key,omitempty"`
	Operator string `yaml:"operator,omitempty" json:"operator,omitempty"`
	Value    string `yaml:"value,omitempty" json:"value,omitempty"`
	Effect   string `yaml:"effect,omitempty" json:"effect,omitempty"`
}
