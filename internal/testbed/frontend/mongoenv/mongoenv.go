// Package mongoenv reads the MongoDB settings that the fixture chart gives the
// application. It knows the chart's variables and the driver's options; it
// opens no connection.
package mongoenv

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Settings are where the chart says the documents are.
type Settings struct {
	Options  *options.ClientOptions
	Database string
	Hosts    string // as configured
}

// Environment is where the settings are read from.
type Environment struct {
	// Variable gives a variable of the environment, "" for one that is not set.
	Variable func(name string) string
	// File gives the content of the file of trusted certificates.
	File func(path string) ([]byte, error)
}

// Read reads the settings that the chart gives every service. They keep few
// connections, because many services share one small server, and try nothing
// twice, because a writer wants to know what became of a write.
func Read(env Environment, name string) (Settings, error) {
	values := map[string]string{}
	for _, variable := range []string{"HOSTS", "SSL", "TLS_INSECURE", "AUTH_SOURCE", "AUTH_MECHANISM", "USERNAME", "PASSWORD", "DATABASE"} {
		value := env.Variable("MONGO_" + variable)
		if value == "" {
			return Settings{}, fmt.Errorf("read settings: environment variable MONGO_%s is not set", variable)
		}
		values[variable] = value
	}
	uri := "mongodb://" + values["HOSTS"] + "/?" + env.Variable("MONGO_OPTIONS")
	o := options.Client().ApplyURI(uri).SetAppName(name).
		SetAuth(options.Credential{AuthMechanism: values["AUTH_MECHANISM"], AuthSource: values["AUTH_SOURCE"],
			Username: values["USERNAME"], Password: values["PASSWORD"]}).
		SetRetryWrites(false).SetRetryReads(false).SetMaxPoolSize(2).SetServerMonitoringMode("poll").
		SetConnectTimeout(3 * time.Second).SetServerSelectionTimeout(3 * time.Second)
	tlsConfig, err := secured(env, values["SSL"], values["TLS_INSECURE"])
	if err != nil {
		return Settings{}, err
	}
	if tlsConfig != nil {
		o.SetTLSConfig(tlsConfig)
	}
	if err := o.Validate(); err != nil {
		return Settings{}, fmt.Errorf("read settings: %w", err)
	}
	return Settings{Options: o, Database: values["DATABASE"], Hosts: values["HOSTS"]}, nil
}

// secured is nil for a connection without TLS.
func secured(env Environment, ssl, insecure string) (*tls.Config, error) {
	wanted, err := strconv.ParseBool(ssl)
	if err != nil {
		return nil, fmt.Errorf("read settings: MONGO_SSL: %w", err)
	}
	blind, err := strconv.ParseBool(insecure)
	if err != nil {
		return nil, fmt.Errorf("read settings: MONGO_TLS_INSECURE: %w", err)
	}
	if !wanted {
		return nil, nil
	}
	config := &tls.Config{InsecureSkipVerify: blind, MinVersion: tls.VersionTLS12} //nolint:gosec // what the chart's tlsInsecure says
	file := env.Variable("TLS_CERTIFICATES")
	if file == "" {
		return config, nil
	}
	if config.RootCAs, err = x509.SystemCertPool(); err != nil {
		return nil, fmt.Errorf("read settings: the system's certificates: %w", err)
	}
	trusted, err := env.File(file)
	if err != nil {
		return nil, fmt.Errorf("read settings: TLS_CERTIFICATES: %w", err)
	}
	if !config.RootCAs.AppendCertsFromPEM(trusted) {
		return nil, fmt.Errorf("read settings: TLS_CERTIFICATES: %s holds no certificate", file)
	}
	return config, nil
}
