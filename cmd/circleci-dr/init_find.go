package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/circleci-dr/circleci-dr/internal/helm"
	"github.com/circleci-dr/circleci-dr/internal/kube"
)

// usualNamespace is where the examples of this tool have the release; it is
// looked at where the whole cluster may not be.
const usualNamespace = "circleci-server"

// search is a look for one release: where, and what came of it.
type search struct {
	release string // "" for any of CircleCI Server
	looked  []string
	found   []helm.Listed
	// others are releases that are not looked for; unread says what could not be
	// looked at.
	others, unread []string
}

// findRelease finds the one release that is meant.
func (p *program) findRelease(ctx context.Context, o initOptions) (helm.Listed, error) {
	_, namespaces, err := kube.Contexts(o.kubeconfig)
	if err != nil {
		return helm.Listed{}, &unreachable{err}
	}
	client, err := o.kubeFor(p, usualNamespace)
	if err != nil {
		return helm.Listed{}, err
	}
	if err := p.reach(ctx, client, o.kubeconfig, o.kubeContext, 0); err != nil {
		return helm.Listed{}, err
	}
	s := &search{release: o.release}
	list := func(namespace string) (denied bool, err error) {
		all, err := helm.List(ctx, client.Config(), namespace)
		return s.take(namespace, all, err)
	}
	if err := s.everywhere(list, o.namespace, namespaces[o.kubeContext]); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return helm.Listed{}, cause
		}
		return helm.Listed{}, err
	}
	switch {
	case len(s.found) == 0:
		return helm.Listed{}, s.none(o.kubeContext)
	case len(s.found) > 1:
		return helm.Listed{}, p.several(s.found)
	}
	for _, text := range s.unread {
		fmt.Fprintln(p.err, "circleci-dr: note: "+text)
	}
	return s.found[0], nil
}

// everywhere looks where it was told, or in the context's own namespace, then in
// the whole cluster, then where the release usually is.
func (s *search) everywhere(list func(string) (bool, error), told, own string) error {
	places := []string{own, ""}
	switch {
	case told != "":
		places = []string{told}
	case own == "":
		places = []string{""}
	}
	for _, namespace := range places {
		denied, err := list(namespace)
		if err != nil || len(s.found) > 0 {
			return err
		}
		if denied && namespace == "" && own != usualNamespace {
			_, err = list(usualNamespace)
			return err
		}
	}
	return nil
}

func place(namespace string) string {
	if namespace == "" {
		return "every namespace"
	}
	return "namespace " + namespace
}

// take sorts what a list gave. What may not be listed is an answer; anything
// else is not.
func (s *search) take(namespace string, all []helm.Listed, err error) (denied bool, _ error) {
	switch {
	case apierrors.IsForbidden(err):
		s.unread = append(s.unread, "no right to list Secrets, where Helm keeps its records, in "+place(namespace))
		return true, nil
	case err != nil:
		return false, &unreachable{fmt.Errorf("look for Helm releases in %s: %w", place(namespace), err)}
	}
	s.looked = append(s.looked, place(namespace))
	s.others = nil // the whole cluster has those of one namespace in it
	for _, l := range all {
		switch {
		case l.Unread != "" && (s.release == "" || s.release == l.Name):
			s.unread = append(s.unread, fmt.Sprintf("Helm's record of release %s in namespace %s, revision %d, could not be read: %s", l.Name, l.Namespace, l.Revision, l.Unread))
		case s.release == "" && l.IsServer(), s.release == l.Name && l.Status != "uninstalled" && l.Unread == "":
			s.found = append(s.found, l)
		default:
			s.others = append(s.others, fmt.Sprintf("%s/%s (%s-%s, %s)", l.Namespace, l.Name, l.Chart, l.Version, l.Status))
		}
	}
	return false, nil
}

// none says that nothing was found, where was looked and what was not to be
// seen.
func (s *search) none(kubeContext string) error {
	what := "Helm release of CircleCI Server (chart " + helm.ServerChart + ")"
	if s.release != "" {
		what = "Helm release " + s.release
	}
	if len(s.unread) > 0 {
		text := fmt.Sprintf("found no %s in context %s, and could not look everywhere: %s", what, kubeContext, strings.Join(s.unread, "; "))
		if len(s.looked) > 0 {
			text += "; looked in " + strings.Join(s.looked, " and ")
		}
		return &hint{&unreachable{errors.New(text)}, "name its namespace with --namespace; init needs get and list on Secrets there"}
	}
	next := "name another namespace with --namespace, or another cluster with --kube-context"
	switch others := s.others; {
	case len(others) > 10:
		next += fmt.Sprintf("; Helm releases there: %s and %d more", strings.Join(others[:10], ", "), len(others)-10)
	case len(others) > 0:
		next += "; Helm releases there: " + strings.Join(others, ", ")
	default:
		next += "; no other Helm release is there either"
	}
	where := strings.Replace(s.looked[len(s.looked)-1], "every", "any", 1)
	return &hint{fmt.Errorf("there is no %s in %s of context %s", what, where, kubeContext), next}
}

// several lists what was found and asks for one.
func (p *program) several(found []helm.Listed) error {
	w := tabwriter.NewWriter(p.err, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAMESPACE\tRELEASE\tCHART\tREVISION\tSTATUS")
	for _, l := range found {
		fmt.Fprintf(w, "%s\t%s\t%s-%s\t%d\t%s\n", l.Namespace, l.Name, l.Chart, l.Version, l.Revision, l.Status)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return &hint{usagef("there are %d releases: which one is meant?", len(found)),
		fmt.Sprintf("for example circleci-dr init --namespace %s --release %s", found[0].Namespace, found[0].Name)}
}
