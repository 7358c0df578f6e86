package kube

import (
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
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

func TestNamesPostgres(t *testing.T) {
	for name, want := range map[string]bool{
		"POSTGRES_HOST": true, "POSTGRESQL_HOSTNAME": true, "PGHOST": true, "DATABASE_URL": true, "DB_HOST": true,
		"CONDUCTOR_DB_URL": true, "db_dsn": true, "spring.datasource.postgres.url": true, "PG_URI": true,
		"POSTGRES_PORT": false, "MONGODB_URI": false, "MONGO_DB_HOST": false, "REDIS_URL": false, "HOSTNAME": false,
		"RABBITMQ_URL": false, "FEEDBACK_URL": false, "POSTGRES_PASSWORD": false,
	} {
		if got := namesPostgres(name); got != want {
			t.Errorf("namesPostgres(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestPostgresHosts(t *testing.T) {
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
				{Name: "DB_URL", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{Key: "url"}}},
			},
		}},
	}
	configs := map[string]map[string]string{"settings": {"host": "direct", "POSTGRES_HOST": "prefixed", "PORT": "5432"}}
	want := []string{"direct", "init", "prefixed"}
	if got := postgresHosts(pod, configs); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
