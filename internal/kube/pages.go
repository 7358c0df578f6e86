package kube

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/pager"
)

// all reads a whole list in pages of 500, so that a namespace with thousands
// of pods does not arrive in one answer.
func all[T any](ctx context.Context, selector string, page func(context.Context, metav1.ListOptions) (runtime.Object, error)) ([]T, error) {
	p := pager.New(page)
	p.PageSize = 500
	list, _, err := p.List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, err
	}
	var out []T
	err = meta.EachListItem(list, func(o runtime.Object) error {
		if item, ok := any(o).(*T); ok {
			out = append(out, *item)
		}
		return nil
	})
	return out, err
}

// listOf adapts a typed List method to the pager.
func listOf[L runtime.Object](list func(context.Context, metav1.ListOptions) (L, error)) func(context.Context, metav1.ListOptions) (runtime.Object, error) {
	return func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return list(ctx, o) }
}
