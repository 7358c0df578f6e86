// Package kubeapi speaks to the API server with the standard library alone: the
// testbed has few requests and should compile in seconds on a fresh machine. It
// knows HTTP, TLS and JSON; what the objects mean is up to its users.
package kubeapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// Client is a client of one API server.
type Client struct {
	server string
	http   *http.Client
}

// Credentials are the files a client needs.
type Credentials struct{ CA, Cert, Key string }

// New makes a client.
func New(server string, c Credentials) (*Client, error) {
	ca, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, fmt.Errorf("read the cluster's authority: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return nil, fmt.Errorf("read the client certificate: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("read the cluster's authority: there is no certificate in %s", c.CA)
	}
	transport := &http.Transport{
		TLSClientConfig:       &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}},
		ForceAttemptHTTP2:     true,
		ResponseHeaderTimeout: 30 * time.Second,
	}
	return &Client{server: server, http: &http.Client{Transport: transport}}, nil
}

// StatusError is an answer other than success.
type StatusError struct {
	Code    int
	Message string
}

func (e *StatusError) Error() string { return fmt.Sprintf("%s (HTTP %d)", e.Message, e.Code) }

// Get reads an object or a list into out; a nil out only asks.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	return c.do(ctx, http.MethodGet, path, "", nil, out)
}

// Create posts an object to a collection.
func (c *Client) Create(ctx context.Context, path string, object any) error {
	body, err := json.Marshal(object)
	if err != nil {
		return fmt.Errorf("encode an object for %s: %w", path, err)
	}
	return c.do(ctx, http.MethodPost, path, "application/json", body, nil)
}

// Apply creates or changes the object at path to what the YAML says.
func (c *Client) Apply(ctx context.Context, path string, yaml []byte) error {
	return c.do(ctx, http.MethodPatch, path+"?fieldManager=testbed&force=true", "application/apply-patch+yaml", yaml, nil)
}

// Delete removes an object.
func (c *Client) Delete(ctx context.Context, path string) error {
	return c.do(ctx, http.MethodDelete, path, "", nil, nil)
}

func (c *Client) do(ctx context.Context, method, path, contentType string, body []byte, out any) error {
	resp, err := c.send(ctx, method, path, contentType, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		// Read to the end, so that the connection can be used again.
		_, err = io.Copy(io.Discard, resp.Body)
	} else {
		err = json.NewDecoder(resp.Body).Decode(out)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

func (c *Client) send(ctx context.Context, method, path, contentType string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.server+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if resp.StatusCode >= 300 {
		defer resp.Body.Close()
		return nil, fmt.Errorf("%s %s: %w", method, path, statusError(resp))
	}
	return resp, nil
}

func statusError(resp *http.Response) error {
	var status struct{ Message string }
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err != nil || json.Unmarshal(data, &status) != nil || status.Message == "" {
		status.Message = resp.Status
	}
	return &StatusError{Code: resp.StatusCode, Message: status.Message}
}

// Watch calls changed for every event of a collection until the server ends
// the watch, which it does every few minutes, or ctx is done.
func (c *Client) Watch(ctx context.Context, path, resourceVersion string, changed func()) error {
	resp, err := c.send(ctx, http.MethodGet, path+"?watch=1&resourceVersion="+resourceVersion, "", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	for events := json.NewDecoder(resp.Body); ; {
		var event struct{ Type string }
		if err := events.Decode(&event); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("watch %s: %w", path, err)
		}
		if event.Type == "ERROR" {
			return nil // too old a version: the caller lists again
		}
		changed()
	}
}
