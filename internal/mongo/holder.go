package mongo

import (
	"context"
	"errors"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/process"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// Two writers. A Job may run its pod twice, on two nodes, and neither knows of
// the other. The newest one wins: it writes its token into our database on the
// target. MongoDB can end no other connection, so the older one must stop by
// itself: it reads the token before each collection (guard) and twice a
// second meanwhile, and cuts its connections when the token is not its own or
// could not be read for holdPatience. The newer one waits longer than that,
// and until the server runs nothing of an older one any more.
const (
	holdPeriod   = 500 * time.Millisecond
	holdPatience = 2 * time.Second
	holdWait     = 3 * time.Second
	holdBlind    = 15 * time.Second
)

// holder is the right to write to the target.
type holder struct {
	server *server
	token  string
	cancel context.CancelCauseFunc
}

// hold takes the target over from any older mover. The context it returns
// ends when a newer one takes over from us.
func (m *job) hold(ctx context.Context) (context.Context, *holder, error) {
	h := &holder{server: m.target, token: m.token}
	if err := m.target.connect(ctx); err != nil {
		return ctx, nil, err
	}
	var before struct {
		Token string `bson:"token"`
	}
	err := m.target.quickly(ctx, "take over the target", func(ctx context.Context) error {
		return m.target.own().FindOneAndReplace(ctx, matter(matterHolder), bson.D{{Key: "token", Value: m.token}, {Key: "since", Value: time.Now().UTC()}},
			options.FindOneAndReplace().SetUpsert(true)).Decode(&before)
	})
	if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
		return ctx, nil, err
	}
	if before.Token != "" {
		m.progress.Say("another mover held the target: waiting for it to stop")
		if err := h.outwait(ctx); err != nil {
			return ctx, nil, err
		}
	}
	held, cancel := context.WithCancelCause(ctx)
	h.cancel = cancel
	go h.watch(held)
	return held, h, nil
}

// outwait waits until an older mover has had the time to see that it lost,
// and the server has ended what that one left running.
func (h *holder) outwait(ctx context.Context) error {
	if err := process.Pause(ctx, holdWait); err != nil {
		return err
	}
	for range 600 {
		left, err := h.endOlder(ctx)
		if notAllowed(err) {
			// Where nobody may look, time has to do: the older one's connections
			// are cut, and a call that the server still works on fails with the
			// collection that it works on, which is dropped.
			return errors.Join(process.Pause(ctx, holdBlind), h.guard(ctx))
		}
		if err != nil {
			return err
		}
		if err := h.guard(ctx); err != nil || left == 0 {
			return err
		}
		if err := process.Pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return failf(targetSide, mover.CodeInconclusive, "take over the target: what an older mover began there does not end")
}

// endOlder ends what other movers have running on the target and says how much
// there was. A user may see and end its own operations without any right.
func (h *holder) endOlder(ctx context.Context) (int, error) {
	found, err := h.server.currentOps(ctx, "look for an older mover's operations", mongo.Pipeline{
		{{Key: "$currentOp", Value: bson.D{}}},
		{{Key: "$match", Value: bson.D{{Key: "active", Value: true}, {Key: "appName", Value: bson.D{
			{Key: "$regex", Value: "^" + appPrefix + "/"}, {Key: "$ne", Value: h.server.label}}}}}},
		{{Key: "$project", Value: bson.D{{Key: "opid", Value: 1}}}},
	})
	if err != nil {
		return 0, err
	}
	for _, o := range found {
		if err := h.server.command(ctx, "admin", bson.D{{Key: "killOp", Value: 1}, {Key: "op", Value: o.ID}}, nil); err != nil {
			return 0, err
		}
	}
	return len(found), nil
}

// watch ends our work when a newer mover has taken over, or when that could
// not be found out for too long.
func (h *holder) watch(ctx context.Context) {
	seen := time.Now()
	for process.Pause(ctx, holdPeriod) == nil {
		asked := time.Now()
		look, cancel := context.WithTimeout(ctx, holdPatience)
		err := h.guard(look)
		cancel()
		var known *mover.Error
		switch {
		case err == nil:
			seen = asked
		case errors.As(err, &known) && known.Code == mover.CodeOtherHolder:
			h.cancel(err)
			return
		case time.Since(seen) > holdPatience:
			h.cancel(failf(targetSide, mover.CodeUnreachable, "the target does not say who holds it: %w", err))
			return
		}
	}
}

// guard fails when a newer mover has taken over.
func (h *holder) guard(ctx context.Context) error {
	var now struct {
		Token string `bson:"token"`
	}
	if _, err := h.server.readMatter(ctx, matterHolder, &now); err != nil {
		return err
	}
	if now.Token != h.token {
		return failf(targetSide, mover.CodeOtherHolder, "a newer mover has taken over the target")
	}
	return nil
}

// orTakenOver turns an error into "a newer mover has taken over" when that is
// what happened: what we do there fails in many ways then.
func (h *holder) orTakenOver(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.server.limits.connect)
	defer cancel()
	lookErr := h.guard(ctx)
	var known *mover.Error
	if errors.As(lookErr, &known) && known.Code == mover.CodeOtherHolder {
		return lookErr
	}
	return err // it could not be found out, or it is still ours
}

// release lets go of the target, so that the next mover need not wait.
func (h *holder) release(ctx context.Context) {
	h.cancel(nil)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.server.limits.connect)
	defer cancel()
	// Failing only makes the next mover wait.
	_, _ = h.server.own().DeleteOne(ctx, bson.D{{Key: "_id", Value: matterHolder}, {Key: "token", Value: h.token}})
}
