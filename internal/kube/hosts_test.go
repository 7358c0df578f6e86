package kube

import (
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/circleci-dr/circleci-dr/reconcile"
)

func TestHostOf(t *testing.T) {
	for value, want := range map[string]string{
		"postgresql":                  "postgresql",
		"pg.example.com:5432":         "pg.example.com",
		"[2001:db8::1]:5432":          "2001:db8::1",
		"postgres://u:p@db:5432/x":    "db",
		"postgresql://u:p@[::1]/x":    "::1",
		"jdbc:postgresql://db/x?a=b":  "db",
		"host=db port=5432 user=u":    "db",
		"user=u host='db.example'":    "db.example",
		"mongodb://m:27017/x":         "",
		"https://ci.example.com":      "",
		"$(UNDEFINED)":                "",
		"":                            "",
		"  postgresql  ":              "postgresql",
		"postgres://%zz":              "",
		"a sentence about a database": "",
	} {
		if got := hostOf(value); got != want {
			t.Errorf("hostOf(%q) = %q, want %q", value, got, want)
		}
	}
}

func TestNamedEngine(t *testing.T) {
	const postgres, mongo = reconcile.PostgreSQL, reconcile.MongoDB
	for name, want := range map[string]reconcile.Engine{
		"POSTGRES_HOST": postgres, "POSTGRESQL_HOSTNAME": postgres, "PGHOST": postgres, "DATABASE_URL": postgres, "DB_HOST": postgres,
		"CONDUCTOR_DB_URL": postgres, "db_dsn": postgres, "spring.datasource.postgres.url": postgres, "PG_URI": postgres,
		"MONGODB_URI": mongo, "MONGO_DB_HOST": mongo, "MONGO_HOSTS": mongo, "spring.data.mongodb.uri": mongo,
		"POSTGRES_PORT": "", "REDIS_URL": "", "HOSTNAME": "", "MONGODB_PORT": "",
		"RABBITMQ_URL": "", "FEEDBACK_URL": "", "POSTGRES_PASSWORD": "",
	} {
		if got := namedEngine(name); got != want {
			t.Errorf("namedEngine(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestDatabaseHosts(t *testing.T) {
	pod := corev1.PodSpec{
		InitContainers: []corev1.Container{{Env: []corev1.EnvVar{{Name: "DB_HOST", Value: "init"}}}},
		Containers: []corev1.Container{{
			EnvFrom: []corev1.EnvFromSource{{
				Prefix:       "APP_",
				ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}},
			}},
			Env: []corev1.EnvVar{
				{Name: "POSTGRES_HOST", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
					LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}, Key: "host"}}},
				{Name: "DATABASE_URL", Value: "postgres://u@$(POSTGRES_HOST):5432/x"},
				{Name: "MONGODB_URI", Value: "mongodb://root:$(PW)@m1:27017,m2.example.com/circle_ghe?replicaSet=rs0"},
				{Name: "MONGO_HOSTS", Value: "m1:27017, m3"},
				{Name: "DB_URL", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{Key: "url"}}},
			},
		}},
	}
	configs := map[string]map[string]string{"settings": {"host": "direct", "POSTGRES_HOST": "prefixed", "PORT": "5432"}}
	want := map[reconcile.Engine][]string{
		reconcile.PostgreSQL: {"direct", "init", "prefixed"}, reconcile.MongoDB: {"m1", "m2.example.com", "m3"},
	}
	if got := databaseHosts(pod, configs); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
