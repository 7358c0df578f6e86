//go:build testbed

package kube

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

func event(format string, args ...any) string {
	return fmt.Sprintf("echo '%s'\n", fmt.Sprintf(format, args...))
}

func twoSides(name string) server.MoverJob {
	return server.MoverJob{
		Name: name,
		Request: mover.Request{
			Operation: mover.OpInspect, Engine: mover.PostgreSQL,
			Source: &mover.Endpoint{Host: "postgresql", Port: 5432, Username: "postgres"},
			Target: &mover.Endpoint{Host: "pg.example.com", Port: 5432, Username: "circleci"},
		},
		Source: server.MoverSide{Password: &spec.SecretRef{Secret: &spec.SecretKey{Name: "postgresql", Key: "postgres-password"}}},
		Target: server.MoverSide{Password: &spec.SecretRef{Env: "TARGET_PASSWORD"}, CA: &spec.SecretRef{Secret: &spec.SecretKey{Name: "target-ca", Key: "ca.pem"}}},
	}
}

func TestMoverIsToldWhatItNeedsAndNoMore(t *testing.T) {
	b := newBed(t)
	b.secret("postgresql", map[string]string{"postgres-password": "source-canary", "other": "x"})
	b.secret("target-ca", map[string]string{"ca.pem": "the bundle"})
	c := b.client(func(o *Options) {
		o.Env = func(name string) (string, bool) {
			return map[string]string{"TARGET_PASSWORD": "target-canary"}[name], true
		}
		o.Command = []string{"bash", "-c", `cd /run/circleci-dr
echo '{"seq":1,"phase":"looking"}'
files=$(find . -follow -type f -not -path '*/..*' | sort | tr '\n' ' ')
mode=$(stat -L -c '%a %g' source/password)
touch /cannot 2>/dev/null && root=writable || root=read-only
touch /tmp/can && tmp=writable
[ -e /var/run/secrets/kubernetes.io ] && token=mounted || token=absent
env | grep -q canary && environment=leaks || environment=clean
printf '{"seq":2,"result":{"files":"%s","mode":"%s","uid":"%s","root":"%s","tmp":"%s","token":"%s","environment":"%s","source":"%s","target":"%s","ca":"%s","request":%s}}\n' \
 "$files" "$mode" "$(id -u)" "$root" "$tmp" "$token" "$environment" "$(cat source/password)" "$(cat target/password)" "$(cat target/ca.pem)" "$(cat request/request.json)"`}
	})
	var seen []mover.Event
	result, err := c.Run(t.Context(), twoSides("told"), func(e mover.Event) { seen = append(seen, e) })
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"files":"./request/request.json ./source/password ./target/ca.pem ./target/password ","mode":"440 1001","uid":"1001","root":"read-only","tmp":"writable","token":"absent","environment":"clean","source":"source-canary","target":"target-canary","ca":"the bundle","request":{"operation":"inspect","engine":"postgresql","source":{"host":"postgresql","port":5432,"username":"postgres","passwordFile":"/run/circleci-dr/source/password"},"target":{"host":"pg.example.com","port":5432,"username":"circleci","passwordFile":"/run/circleci-dr/target/password","caFile":"/run/circleci-dr/target/ca.pem"}}}`
	if string(result) != want {
		t.Errorf("got  %s\nwant %s", result, want)
	}
	if !reflect.DeepEqual(seen, []mover.Event{{Seq: 1, Phase: "looking"}}) {
		t.Errorf("progress was %+v", seen)
	}
	for what, err := range map[string]error{"Job": jobError(b, "told"), "Secret": secretError(b, "told")} {
		if !apierrors.IsNotFound(err) {
			t.Errorf("the %s was left behind: %v", what, err)
		}
	}
}

func jobError(b *bed, name string) error {
	_, err := b.admin.BatchV1().Jobs(b.namespace).Get(b.t.Context(), name, metav1.GetOptions{})
	return err
}

func secretError(b *bed, name string) error {
	_, err := b.admin.CoreV1().Secrets(b.namespace).Get(b.t.Context(), name, metav1.GetOptions{})
	return err
}

func plainJob(name string) server.MoverJob {
	return server.MoverJob{Name: name, Request: mover.Request{Operation: mover.OpCopy, Engine: mover.PostgreSQL}}
}

func TestMoverIsAdopted(t *testing.T) {
	b := newBed(t)
	g := b.gate()
	c := b.mover(event(`{"seq":1,"phase":"copy"}`) + g.script() + event(`{"seq":2,"result":"moved"}`))
	ctx, kill := context.WithCancel(t.Context())
	_, err := c.Run(ctx, plainJob("copy"), func(mover.Event) { kill() })
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("the cut-off run gave %v, want a cancelled context", err)
	}
	other := plainJob("copy")
	other.Request.Move = "another"
	_, err = c.Run(t.Context(), other, nil)
	const busy = "run Job copy: a Job of that name runs with another request; wait for it or stop it"
	if err == nil || err.Error() != busy {
		t.Errorf("another request got %v, want %s", err, busy)
	}
	first, err := b.admin.BatchV1().Jobs(b.namespace).Get(t.Context(), "copy", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var seen []int64
	job := plainJob("copy")
	job.Keep = true
	result, err := c.Run(t.Context(), job, func(e mover.Event) {
		if waits(e) {
			return
		}
		seen = append(seen, e.Seq)
		g.open(t)
	})
	if err != nil || string(result) != `"moved"` || !reflect.DeepEqual(seen, []int64{1}) {
		t.Fatalf("the adopting run gave %s, %v with lines %v", result, err, seen)
	}
	// And once more, now that it is complete.
	result, err = c.Run(t.Context(), job, nil)
	if err != nil || string(result) != `"moved"` {
		t.Fatalf("the run that adopts a complete Job gave %s, %v", result, err)
	}
	last, err := b.admin.BatchV1().Jobs(b.namespace).Get(t.Context(), "copy", metav1.GetOptions{})
	if err != nil || last.UID != first.UID {
		t.Errorf("it was another Job (%v)", err)
	}
	if err := c.Stop(t.Context(), "copy"); err != nil {
		t.Fatal(err)
	}
	if err := jobError(b, "copy"); !apierrors.IsNotFound(err) {
		t.Errorf("after Stop the Job is still there (%v)", err)
	}
}

func TestMoverLogIsFollowedAgain(t *testing.T) {
	b := newBed(t)
	g := b.gate()
	p, path := throughProxy(t)
	c := b.client(func(o *Options) {
		o.Kubeconfig = path
		o.Command = []string{"bash", "-c", event(`{"seq":1}`) + event(`{"seq":2}`) + g.script() + event(`{"seq":3}`) + g.script() + event(`{"seq":4,"result":true}`)}
	})
	var seen []int64
	result, err := c.Run(t.Context(), plainJob("copy"), func(e mover.Event) {
		if waits(e) {
			return
		}
		seen = append(seen, e.Seq)
		if e.Seq > 1 {
			p.cut()
			g.open(t)
		}
	})
	if err != nil || string(result) != "true" || !reflect.DeepEqual(seen, []int64{1, 2, 3}) || p.cuts != 2 {
		t.Errorf("got %s, %v with lines %v after %d cuts", result, err, seen, p.cuts)
	}
}

func TestFailedMoverIsReplaced(t *testing.T) {
	b := newBed(t)
	job := plainJob("copy")
	job.Keep = true
	_, err := b.mover(event(`{"seq":1,"error":"the server refused the password","code":"credentials","side":"target"}`)+"exit 1").Run(t.Context(), job, nil)
	var failure *mover.Error
	if !errors.As(err, &failure) {
		t.Fatalf("got %v, want a MoverError", err)
	}
	if got := [3]string{failure.Code, failure.Side, failure.Error()}; got != [3]string{"credentials", "target", "the server refused the password"} {
		t.Errorf("got %v", got)
	}
	_, err = b.mover("echo secret-canary; exit 7").Run(t.Context(), job, nil)
	want := "run Job copy: the mover ended with Error, exit code 7, and gave no reason; kubectl logs -n " + b.namespace + " job/copy may tell more"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	result, err := b.mover(event(`{"seq":1,"result":1}`)).Run(t.Context(), job, nil)
	if err != nil || string(result) != "1" {
		t.Errorf("got %s, %v", result, err)
	}
}

func TestMoverPassesItsDeadline(t *testing.T) {
	b := newBed(t)
	job := plainJob("copy")
	job.Deadline = time.Second
	_, err := b.mover(b.gate().script()).Run(t.Context(), job, nil)
	want := "run Job copy: the Job passed its deadline of 1 s and was ended; kubectl logs -n " + b.namespace + " job/copy may tell more"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestMoverLacksSomething(t *testing.T) {
	b := newBed(t)
	b.secret("postgresql", map[string]string{"password": "x", "username": "y"})
	cases := []struct {
		name   string
		change func(*server.MoverJob)
		want   string
	}{
		{"no Secret", func(j *server.MoverJob) { j.Source.Password.Secret.Name = "nothing" },
			"run Job lacks: the mover needs source/password: read Secret nothing: it is not there in namespace " + b.namespace},
		{"no key", func(*server.MoverJob) {},
			"run Job lacks: the mover needs source/password: key postgres-password of Secret postgresql is not there; it has: password, username"},
		{"no variable", func(j *server.MoverJob) { j.Source.Password.Secret.Key = "password" },
			"run Job lacks: the mover needs target/password: environment variable TARGET_PASSWORD is not set"},
	}
	for _, c := range cases {
		client := b.client(func(o *Options) { o.Env = func(string) (string, bool) { return "", false } })
		job := twoSides("lacks")
		c.change(&job)
		_, err := client.Run(t.Context(), job, nil)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: got  %v\nwant %s", c.name, err, c.want)
		}
		if err := jobError(b, "lacks"); !apierrors.IsNotFound(err) {
			t.Errorf("%s: a Job was made (%v)", c.name, err)
		}
	}
}

func TestMoverWithoutImage(t *testing.T) {
	b := newBed(t)
	c := b.client(func(o *Options) { o.Image = "localhost:1/none:1" })
	c.patience.image = 0
	_, err := c.Run(t.Context(), plainJob("copy"), nil)
	var stuck *stuckError
	if !errors.As(err, &stuck) || !strings.HasPrefix(stuck.reason, "ErrImagePull: container mover: ") {
		t.Errorf("got %v, want ErrImagePull", err)
	}
	if err := jobError(b, "copy"); !apierrors.IsNotFound(err) {
		t.Errorf("the Job that could not start was left (%v)", err)
	}
}

func TestEvictedMoverIsFollowedInItsNextPod(t *testing.T) {
	b := newBed(t)
	g := b.gate()
	c := b.mover("trap 'exit 143' TERM\n" + event(`{"seq":1,"phase":"copy"}`) + event(`{"seq":2,"phase":"copy"}`) + g.script() + event(`{"seq":3,"result":"moved"}`))
	var seen []int64
	result, err := c.Run(t.Context(), plainJob("copy"), func(e mover.Event) {
		if waits(e) {
			return
		}
		seen = append(seen, e.Seq)
		switch len(seen) {
		case 2:
			b.evict("copy")
		case 4:
			g.open(t) // the evicted pod's place in the queue
			g.open(t)
		}
	})
	if err != nil || string(result) != `"moved"` || !reflect.DeepEqual(seen, []int64{1, 2, 1, 2}) {
		t.Errorf("got %s, %v with lines %v", result, err, seen)
	}
}

func (b *bed) evict(job string) {
	b.t.Helper()
	pods, err := b.admin.CoreV1().Pods(b.namespace).List(b.t.Context(), metav1.ListOptions{LabelSelector: labelJob + "=" + job})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, p := range pods.Items {
		eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: p.Name, Namespace: p.Namespace}}
		if err := b.admin.PolicyV1().Evictions(b.namespace).Evict(b.t.Context(), eviction); err != nil {
			b.t.Fatal(err)
		}
	}
}

// waits tells an event of the follower's own, which it gives while a pod is slow
// to start: that depends on the machine.
func waits(e mover.Event) bool { return e.Phase == "waiting" }
