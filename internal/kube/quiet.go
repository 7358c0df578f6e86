package kube

import (
	"context"
	"log/slog"
	"sync/atomic"

	"k8s.io/klog/v2"
)

// globalLog is where client-go's global log goes now.
var globalLog atomic.Pointer[slog.Handler]

// client-go's global log may be set before anything uses it and never after: so
// it is set here, once, to what hands on to the log of the newest client.
func init() {
	quiet(slog.New(slog.DiscardHandler))
	klog.SetSlogLogger(slog.New(handsOn{}))
}

// quiet sends client-go's global log where ours goes, as debug messages:
// without it, client-go writes to the user's terminal.
func quiet(log *slog.Logger) {
	var handler slog.Handler = debugOnly{log.Handler()}
	globalLog.Store(&handler)
}

// handsOn is the newest client's log.
type handsOn struct{}

func (handsOn) Enabled(ctx context.Context, l slog.Level) bool {
	return (*globalLog.Load()).Enabled(ctx, l)
}

func (handsOn) Handle(ctx context.Context, r slog.Record) error {
	return (*globalLog.Load()).Handle(ctx, r)
}

func (handsOn) WithAttrs(attrs []slog.Attr) slog.Handler {
	return (*globalLog.Load()).WithAttrs(attrs)
}

func (handsOn) WithGroup(name string) slog.Handler {
	return (*globalLog.Load()).WithGroup(name)
}

// debugOnly passes every message on at debug level.
type debugOnly struct{ slog.Handler }

func (h debugOnly) Enabled(ctx context.Context, _ slog.Level) bool {
	return h.Handler.Enabled(ctx, slog.LevelDebug)
}

func (h debugOnly) Handle(ctx context.Context, r slog.Record) error {
	r.Level = slog.LevelDebug
	return h.Handler.Handle(ctx, r)
}

func (h debugOnly) WithAttrs(attrs []slog.Attr) slog.Handler {
	return debugOnly{h.Handler.WithAttrs(attrs)}
}

func (h debugOnly) WithGroup(name string) slog.Handler {
	return debugOnly{h.Handler.WithGroup(name)}
}

// warnings takes the API server's warning headers (deprecations and the like).
type warnings struct{ log *slog.Logger }

func (w warnings) HandleWarningHeaderWithContext(ctx context.Context, _ int, _, text string) {
	w.log.DebugContext(ctx, "warning of the API server", "text", text)
}
