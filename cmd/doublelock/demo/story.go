package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// scene is one step of the story: what happens, why it matters, and who does it.
type scene struct {
	title, why string
	play       func(context.Context, *runner) error
}

func story() []scene {
	return []scene{
		{"A secret without a key, in the guarded OU",
			"CreateSecret that names no key would put it under the AWS managed key. The SCP says no before anything exists.",
			func(ctx context.Context, s *runner) error {
				return s.refused(ctx, s.create(ctx, local.By("ci-deploy", local.Shop, s.org.Home()), secrets.NewSecret{Name: "shop/db"}))
			}},
		{"The same, naming the AWS managed key by its alias",
			"The usual way around a rule that only asks for some key. A statement of its own stops it.",
			func(ctx context.Context, s *runner) error {
				return s.refused(ctx, s.create(ctx, local.By("ci-deploy", local.Shop, s.org.Home()), secrets.NewSecret{Name: "shop/db", KeyID: ptr("alias/aws/secretsmanager")}))
			}},
		{"The same with the account's CMK",
			"Allowed, and sealed from its first version on: nothing to say, nothing to tag but its state.",
			func(ctx context.Context, s *runner) error {
				return s.create(ctx, local.By("ci-deploy", local.Shop, s.org.Home()), secrets.NewSecret{Name: "shop/db", KeyID: ptr(settings.SecretsKeyAlias), Tags: owner("team-search")})
			}},
		{"An account that is not guarded yet",
			"No SCP here, so the secret exists. The event leads to an inspection, the inspection to a finding, a tag and one message to its owner.",
			func(ctx context.Context, s *runner) error {
				return s.create(ctx, local.By("terraform", local.Search, s.org.Home()), secrets.NewSecret{Name: "search/index", Tags: owner("team-search")})
			}},
		{"An account in remediate mode",
			"Re-keyed at once, and shown as dual: the copy under the old key is still there, so one lock still opens it.",
			func(ctx context.Context, s *runner) error {
				return s.create(ctx, local.By("app-deploy", local.Payments, s.org.Home()), secrets.NewSecret{Name: "payments/api", Tags: owner("team-payments")})
			}},
		{"A reader that a re-key would break",
			"Production secrets in the second Region go to the central key, whose policy knows the role app-deploy and not the role reports. The plan names the reader before anything is changed, and the owner gets the fix.",
			func(ctx context.Context, s *runner) error {
				return s.create(ctx, local.By("app-deploy", local.Payments, s.org.Second()), secrets.NewSecret{Name: "payments/settlement", Tags: map[string]string{"Owner": "team-payments", "environment": "production"}})
			}},
		{"A reader that loses access all the same",
			"The batch role read this secret before the move. Then its owner writes a new version, which opens with the CMK alone, and somebody denies the role that key. The watchdog sees the refused read, reads the policies, which say that the previous key lets the role in, and the secret goes back.",
			func(ctx context.Context, s *runner) error {
				who := local.By("app-deploy", local.Payments, s.org.Home())
				if err := s.create(ctx, who, secrets.NewSecret{Name: "payments/batch", Tags: owner("team-payments")}); err != nil {
					return err
				}
				reader := local.By("app-batch", local.Payments, s.org.Home())
				if err := s.read(ctx, reader, "payments/batch"); err != nil {
					return err
				}
				if err := s.putValue(ctx, who, "payments/batch"); err != nil {
					return err
				}
				s.org.DenyKey(local.Payments, "app-batch")
				return s.read(ctx, reader, "payments/batch")
			}},
		{"New versions seal it",
			"A new version is under the CMK alone, but AWSPREVIOUS still opens with the old key. The second one pushes that copy out of its label: sealed, and the finding resolves.",
			func(ctx context.Context, s *runner) error {
				who := local.By("app-deploy", local.Payments, s.org.Home())
				if err := s.putValue(ctx, who, "payments/api"); err != nil {
					return err
				}
				return s.putValue(ctx, who, "payments/api")
			}},
		{"Drift: set back to the AWS managed key",
			"UpdateSecret with an empty key. No SCP condition is known to see it, not even in the guarded OU; the event does.",
			func(ctx context.Context, s *runner) error {
				return s.setKey(ctx, local.By("jane", local.Shop, s.org.Home()), "shop/db", "")
			}},
		{"A replica on the default key",
			"Each replica has a key of its own, and no condition key sees it. The primary is fine, the copy in the second Region is not.",
			func(ctx context.Context, s *runner) error {
				who := local.By("terraform", local.Search, s.org.Home())
				if err := s.create(ctx, who, secrets.NewSecret{Name: "search/tokens", KeyID: ptr(settings.SecretsKeyAlias), Tags: owner("team-search")}); err != nil {
					return err
				}
				return s.replicate(ctx, who, "search/tokens", s.org.Second())
			}},
		{"A secret that RDS owns",
			"Secrets Manager refuses to change it from outside. It is reported with RDS's own way, and never touched.",
			func(ctx context.Context, s *runner) error {
				return s.serviceOwned(ctx, local.Search, s.org.Home(), "rds", "db-2f9a4c1e")
			}},
		{"A CMK of the central key account",
			"In another account, and fine because it is approved. A check that compares account ids would call it wrong.",
			func(ctx context.Context, s *runner) error {
				return s.create(ctx, local.By("app-deploy", local.Payments, s.org.Second()), secrets.NewSecret{Name: "payments/ledger", KeyID: ptr(s.org.CentralKey), Tags: owner("team-payments")})
			}},
		{"A waiver",
			"Recorded, with a name, a reason and an end. Nobody is notified and nothing is fixed, and it never counts as fine.",
			func(ctx context.Context, s *runner) error {
				return s.create(ctx, local.By("terraform", local.Search, s.org.Home()), secrets.NewSecret{Name: "legacy/agent"})
			}},
		{"Noise: a denied read, a duplicate, a reordered pair",
			"CloudTrail delivers at least once and in any order. Each inspection starts from what is true now, so nobody is notified twice.",
			func(ctx context.Context, s *runner) error {
				if err := s.readWithoutRights(ctx, local.By("intern", local.Search, s.org.Home()), "search/index"); err != nil {
					return err
				}
				s.org.AWS.DuplicateNext(1)
				if err := s.putValue(ctx, local.By("terraform", local.Search, s.org.Home()), "search/index"); err != nil {
					return err
				}
				s.org.AWS.ReorderNext(2)
				who := local.By("terraform", local.Search, s.org.Second())
				if err := s.createOnly(ctx, who, secrets.NewSecret{Name: "search/cache", KeyID: ptr(settings.SecretsKeyAlias), Tags: owner("team-search")}); err != nil {
					return err
				}
				return s.putValue(ctx, who, "search/cache")
			}},
		{"Somebody disables a key that is in use",
			"The first question is which secrets stop. The second is which do not: an older copy still opens them.",
			func(ctx context.Context, s *runner) error {
				who := local.By("app-deploy", local.Payments, s.org.Home())
				if err := s.create(ctx, who, secrets.NewSecret{Name: "payments/webhook", Tags: owner("team-payments")}); err != nil {
					return err
				}
				return s.disableKey(ctx, local.By("jane", local.Payments, s.org.Home()), settings.SecretsKeyAlias)
			}},
		{"And enables it again",
			"The findings about the key resolve by themselves.",
			func(ctx context.Context, s *runner) error {
				return s.enableKey(ctx, local.By("jane", local.Payments, s.org.Home()))
			}},
		{"Ten minutes later",
			"An owner gets four messages of an hour as they come, and critical ones always. What followed waited, and comes in one.",
			func(ctx context.Context, s *runner) error {
				s.org.Clock.Advance(10 * time.Minute)
				return s.org.Schedule(ctx, settings.TaskRollUp, handlers.Alert)
			}},
	}
}

func owner(name string) map[string]string { return map[string]string{"Owner": name} }

func ptr(s string) *string { return &s }

// runner makes the calls of the scenes in an organization, and writes them into the timeline.
type runner struct {
	org      *local.Organization
	timeline *timeline
	tokens   int
	keyID    string // of the key that was disabled
}

// token numbers the versions, so that the same story gives the same ids.
func (s *runner) token() string {
	s.tokens++
	return fmt.Sprintf("00000000-0000-4000-8000-%012d", s.tokens)
}

// call shows and makes one API call, then lets every event it caused run its course.
func (s *runner) call(ctx context.Context, who local.Actor, resource, what string, do func(*secrets.Workload) error) error {
	if err := s.callOnly(ctx, who, resource, what, do); err != nil {
		return err
	}
	return s.org.Settle(ctx)
}

func (s *runner) callOnly(ctx context.Context, who local.Actor, resource, what string, do func(*secrets.Workload) error) error {
	s.org.Clock.Advance(7 * time.Second)
	workload, arn, err := s.org.Workload(ctx, who)
	if err != nil {
		return err
	}
	s.timeline.add(line{Stage: stageCall, Account: who.Account, Region: who.Region, Actor: arn, Resource: resource, Detail: what})
	if err := do(workload); err != nil {
		return &callError{who: who, arn: arn, resource: resource, err: err}
	}
	return nil
}

// callError is a call of an actor that AWS answered with an error.
type callError struct {
	who           local.Actor
	arn, resource string
	err           error
}

func (e *callError) Error() string { return e.err.Error() }
func (e *callError) Unwrap() error { return e.err }

// refused expects an SCP's denial, and fails the demo when the call went through.
func (s *runner) refused(ctx context.Context, err error) error {
	var call *callError
	if !errors.As(err, &call) || !errors.Is(err, guard.ErrDenied) {
		return fmt.Errorf("the SCP did not deny the call: %w", errors.Join(err, errors.New("expected AccessDeniedException")))
	}
	s.timeline.add(line{Stage: stageDenied, Account: call.who.Account, Region: call.who.Region, Actor: call.arn, Resource: call.resource, Detail: cloud.Answer(call.err)})
	return s.org.Settle(ctx)
}

func (s *runner) create(ctx context.Context, who local.Actor, secret secrets.NewSecret) error {
	if err := s.createOnly(ctx, who, secret); err != nil {
		return err
	}
	return s.org.Settle(ctx)
}

func (s *runner) createOnly(ctx context.Context, who local.Actor, secret secrets.NewSecret) error {
	secret.Token = s.token()
	what := "CreateSecret without a key"
	if secret.KeyID != nil {
		what = "CreateSecret under " + *secret.KeyID
	}
	return s.callOnly(ctx, who, secret.Name, what, func(w *secrets.Workload) error {
		_, err := w.Create(ctx, secret)
		return err
	})
}

func (s *runner) putValue(ctx context.Context, who local.Actor, id string) error {
	token := s.token()
	return s.call(ctx, who, id, "PutSecretValue", func(w *secrets.Workload) error { return w.PutValue(ctx, id, token) })
}

func (s *runner) setKey(ctx context.Context, who local.Actor, id, key string) error {
	return s.call(ctx, who, id, fmt.Sprintf("UpdateSecret with key %q", key), func(w *secrets.Workload) error { return w.SetKey(ctx, id, key) })
}

func (s *runner) replicate(ctx context.Context, who local.Actor, id, region string) error {
	return s.call(ctx, who, id, "ReplicateSecretToRegions "+region+" without a key", func(w *secrets.Workload) error {
		return w.Replicate(ctx, id, region, "")
	})
}

func (s *runner) disableKey(ctx context.Context, who local.Actor, alias string) error {
	return s.call(ctx, who, alias, "DisableKey", func(w *secrets.Workload) error {
		id, err := w.KeyID(ctx, alias)
		s.keyID = id
		if err != nil {
			return err
		}
		return w.DisableKey(ctx, id)
	})
}

func (s *runner) enableKey(ctx context.Context, who local.Actor) error {
	return s.call(ctx, who, settings.SecretsKeyAlias, "EnableKey", func(w *secrets.Workload) error { return w.EnableKey(ctx, s.keyID) })
}

func (s *runner) serviceOwned(ctx context.Context, account, region, service, name string) error {
	s.org.Clock.Advance(7 * time.Second)
	s.timeline.add(line{Stage: stageCall, Account: account, Region: region, Actor: service + ".amazonaws.com", Resource: service + "!" + name, Detail: "CreateSecret by the service"})
	if err := s.org.ServiceOwnedSecret(account, region, service, name); err != nil {
		return err
	}
	return s.org.Settle(ctx)
}

// read reads a secret as an application does; the value stays where it is.
func (s *runner) read(ctx context.Context, who local.Actor, id string) error {
	s.org.Clock.Advance(7 * time.Second)
	s.timeline.add(line{Stage: stageCall, Account: who.Account, Region: who.Region, Actor: who.Name, Resource: id, Detail: "GetSecretValue"})
	s.org.Read(who, id)
	return s.org.Settle(ctx)
}

// readWithoutRights is a call that IAM denies: it changes nothing, and the guard must not take it for more.
func (s *runner) readWithoutRights(ctx context.Context, who local.Actor, id string) error {
	err := s.callOnly(ctx, who, id, "DescribeSecret without the right to", func(w *secrets.Workload) error { return w.Describe(ctx, id) })
	if !errors.Is(err, guard.ErrDenied) {
		return fmt.Errorf("a principal without rights could describe %s: %w", id, err)
	}
	return s.org.Settle(ctx)
}
