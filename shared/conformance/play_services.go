package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud/sandbox"
	"github.com/doublelock/doublelock/shared/localaws"
)

func serviceQuestions() []Question {
	return []Question{
		{ID: "secretsmanager.owned.tag", Row: 6, Title: "Does TagResource succeed on a secret that another AWS service owns?", Document: "https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_TagResource.html",
			Calls: calls(newSecret, describe, "events:CreateConnection", "events:DescribeConnection", "secretsmanager:TagResource"),
			Choices: []Choice{
				{Answer: Passes, Meaning: "secrets of services could be tagged; we do not"},
				{Answer: Refused, ByRefusal: true, Meaning: "secrets of services are never tagged", Set: func(b *localaws.Behavior) { b.RefuseForeignTags = true }},
			}, Assumed: Passes, Control: ownTags, Play: ownedTag},
		{ID: "lambda.rotation.invoke", Row: 10, Title: "With which session is lambda:InvokeFunction asked for when RotateSecret is called?", Document: "https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html",
			Calls: calls(asRole, "lambda:CreateFunction", "lambda:AddPermission", "secretsmanager:RotateSecret"),
			Choices: []Choice{
				{Answer: "not-asked", Meaning: "the right in the change role is one too many"},
				{Answer: "via-service", ByRefusal: true, Meaning: "the change role's condition aws:ViaAWSService is right", Set: func(b *localaws.Behavior) { b.RotationInvoke = localaws.InvokeViaService }},
				{Answer: "direct", ByRefusal: true, Meaning: "the change role's condition aws:ViaAWSService stops rotation: it has to go", Set: func(b *localaws.Behavior) { b.RotationInvoke = localaws.InvokeDirect }},
			}, Assumed: "not-asked", Control: mayRotate, Play: rotationInvoke},
		{ID: "events.denied-decrypt.rule", Row: 9, Title: "Does a refused Decrypt reach a rule that is not in state ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS?", Document: "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html",
			Calls: calls(asRole, newRule, newQueue),
			Choices: []Choice{
				{Answer: "all-state-only", Meaning: "the denied-read rule needs that state"},
				{Answer: "any-state", Meaning: "the denied-read rule could be in the plain state, which is cheaper"},
			}, Assumed: "all-state-only", Control: mayRead, Play: deniedDecryptRule, Overruled: openToAll},
		{ID: "events.schedule.foreign-bus", Row: 32, Title: "Does a scheduled rule deliver to a bus of another Region?", Document: "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-region.html", Need: NeedsRegion,
			Calls: calls(newRole, newRule, newQueue, "events:CreateEventBus", putEvents),
			Choices: []Choice{
				{Answer: "delivered", Meaning: "a heartbeat can be a scheduled rule of the member"},
				{Answer: Refused, ByRefusal: true, Meaning: "a heartbeat needs another way"},
				{Answer: "not-delivered", ByRefusal: true, Meaning: "a heartbeat by a scheduled rule would be silent everywhere"},
			}, Control: routeCarries, Play: scheduleForeignBus},
		{ID: "scheduler.universal.put-rule", Row: 33, Title: "Does EventBridge Scheduler call events:PutRule as a universal target, and is that recorded?", Document: "https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html", Trail: true,
			Calls: calls(newRole, "events:PutRule", "events:DescribeRule", "scheduler:CreateScheduleGroup", "scheduler:CreateSchedule", lookup),
			Choices: []Choice{
				{Answer: "recorded", Meaning: "a scheduled write is a pulse that proves the trail as well"},
				{Answer: "done", Meaning: "a scheduled write proves nothing about the trail"},
				{Answer: "not-done", ByRefusal: true, Meaning: "there is no such pulse"},
			}, Control: ownPutsRules, Play: schedulerPutRule},
		{ID: "cloudformation.key-removed", Row: 19, Title: "What does CloudFormation do with the key of a secret when KmsKeyId leaves the template?", Document: "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-secretsmanager-secret.html",
			Calls: calls("kms:CreateKey", "cloudformation:CreateStack", "cloudformation:UpdateStack", "cloudformation:DescribeStacks", describe),
			Choices: []Choice{
				{Answer: "kept", Meaning: "removing the property changes nothing"},
				{Answer: "default-key", Meaning: "removing the property opens the first lock; the event of it leads to a Describe"},
			}, Play: keyRemoved},
	}
}

func ownedTag(ctx context.Context, w *World) (Answer, error) {
	secret, err := w.own.CreateConnection(ctx, w.what("connection"))
	if err != nil {
		return "", err
	}
	if secret == "" {
		return "", fmt.Errorf("the secret of the connection: %w", errNotShown)
	}
	if d, err := w.own.Describe(ctx, secret); err != nil {
		return "", err
	} else if d.Owner == "" {
		return "", fmt.Errorf("the owner of the secret: %w", errNotShown)
	}
	err = w.own.TagSecret(ctx, secret, sandbox.TagKey, string(w.own.Run()))
	switch code := sandbox.Code(err); {
	case err == nil:
		d, err := w.own.Describe(ctx, secret)
		if err == nil && d.Tags[sandbox.TagKey] != string(w.own.Run()) {
			err = fmt.Errorf("%w: the secret was tagged, and has no tag", errUnexpected)
		}
		return Passes, err
	case code == "InvalidRequestException", code == "InvalidParameterException": // a policy of the account says that it denies
		w.note("error", "%s", code)
		return Refused, nil
	}
	return "", err
}

func rotationInvoke(ctx context.Context, w *World) (Answer, error) {
	function, err := w.rotator()
	if err != nil {
		return "", err
	}
	secret, err := w.secret(ctx, "")
	if err != nil {
		return "", err
	}
	if err := w.eventually(ctx, "rotate with every right", func(ctx context.Context) error { return w.own.Rotate(ctx, secret, function) }); err != nil {
		return "", err
	}
	for _, try := range []struct {
		name, condition string
		answer          Answer
	}{{"never", "", "not-asked"}, {"service", `{"Bool":{"aws:ViaAWSService":"false"}}`, "via-service"}, {"direct", `{"Bool":{"aws:ViaAWSService":"true"}}`, "direct"}} {
		secret, err := w.own.CreateSecret(ctx, w.what(try.name), "") // for each, so that what was not done shows
		if err != nil {
			return "", err
		}
		refused, err := stopped(ctx, w, bySession, try.name, deny("lambda:InvokeFunction", try.condition), func(s *sandbox.Session) error { return s.Rotate(ctx, secret, function) },
			func() error { return w.rotates(ctx, secret) })
		if err != nil {
			return "", err
		}
		if !refused {
			return try.answer, nil
		}
	}
	return "", errUnexpected
}

// rotates errs unless a secret does.
func (w *World) rotates(ctx context.Context, secret string) error {
	d, err := w.own.Describe(ctx, secret)
	if err == nil && !d.Rotates {
		err = fmt.Errorf("%w: rotation was turned on, and is off", errUnexpected)
	}
	return err
}

// makeRotator makes a function that rotates nothing.
func (s *shared) makeRotator(ctx context.Context) (string, error) {
	role, err := s.own.CreateRole(ctx, "rotator", trustService("lambda"), "")
	if err != nil {
		return "", err
	}
	function := ""
	made, err := sandbox.Until(ctx, s.patience.Change, func(ctx context.Context) (bool, error) {
		function, err = s.own.CreateRotator(ctx, "rotator", role)
		if sandbox.Code(err) == "InvalidParameterValueException" { // until Lambda knows the role
			return false, nil
		}
		return err == nil, err
	})
	if err == nil && !made {
		err = fmt.Errorf("a function within %s: %w", s.patience.Change, errNotShown)
	}
	return function, err
}

func deniedDecryptRule(ctx context.Context, w *World) (Answer, error) {
	secret, key, err := w.underA(ctx)
	if err != nil {
		return "", err
	}
	pattern, err := json.Marshal(map[string]any{"source": []string{"aws.kms"}, "detail-type": []string{"AWS API Call via CloudTrail"},
		"detail": map[string]any{"eventName": []string{"Decrypt"}, "errorCode": []string{"AccessDenied", "AccessDeniedException"},
			"requestParameters": map[string]any{"encryptionContext": map[string]any{"SecretARN": []string{secret}}}}})
	if err != nil {
		return "", err
	}
	queues := map[string]string{}
	for _, name := range []string{"all", "plain"} {
		url, target, err := w.own.CreateQueue(ctx, w.what(name))
		if err != nil {
			return "", err
		}
		queues[name] = url
		if _, err := w.own.CreateRule(ctx, sandbox.NewRule{What: w.what(name), Pattern: string(pattern), All: name == "all", Target: target}); err != nil {
			return "", err
		}
	}
	if err := sandbox.Sleep(ctx, w.patience.Settle); err != nil { // until EventBridge knows the rules
		return "", err
	}
	refused, err := stopped(ctx, w, bySession, "s", denyKey("kms:Decrypt", key), func(s *sandbox.Session) error { return s.Read(ctx, secret) }, nil)
	if err != nil {
		return "", err
	}
	if !refused {
		return "", errUnexpected
	}
	arrived := func(name string, limit time.Duration) (bool, error) {
		return sandbox.Until(ctx, limit, func(ctx context.Context) (bool, error) {
			events, err := w.own.Waiting(ctx, queues[name])
			return len(events) > 0, err
		})
	}
	if all, err := arrived("all", w.patience.Change); err != nil {
		return "", err
	} else if !all {
		return "", fmt.Errorf("the event within %s (is there a trail of management events?): %w", w.patience.Change, errNotShown)
	}
	plain, err := arrived("plain", w.patience.Change)
	switch {
	case err != nil:
		return "", err
	case plain:
		return "any-state", nil
	}
	return "all-state-only", nil
}

// route leads from the default bus of this Region to a queue in the second one, over a bus there.
type route struct {
	bus, role string // ARNs; the role may send to the bus
	url       string // of the queue
	source    string // of the run's own events that the queue gets, beside those of schedules
}

const scheduled = "aws.events" // source of the events of schedules

// route makes one, but for the rules that send to its bus.
func (w *World) route(ctx context.Context) (route, error) {
	r := route{source: w.own.Run().Name(w.what("event"))}
	name, bus, err := w.second.CreateBus(ctx, w.what("bus"))
	if err != nil {
		return r, err
	}
	r.bus = bus
	if r.role, err = w.own.CreateRole(ctx, w.what("sender"), trustService("events"), fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"events:PutEvents","Resource":%q}]}`, bus)); err != nil {
		return r, err
	}
	url, queue, err := w.second.CreateQueue(ctx, w.what("queue"))
	if err != nil {
		return r, err
	}
	r.url = url
	_, err = w.second.CreateRule(ctx, sandbox.NewRule{What: w.what("bus"), Bus: name, Pattern: fmt.Sprintf(`{"source":[%q,%q]}`, scheduled, r.source), Target: queue})
	return r, err
}

// arrives waits until a queue has an event.
func (w *World) arrives(ctx context.Context, in *sandbox.Session, url string, is func(sandbox.Event) bool) (bool, error) {
	return sandbox.Until(ctx, w.patience.Change, func(ctx context.Context) (bool, error) {
		events, err := in.Waiting(ctx, url)
		return slices.ContainsFunc(events, is), err
	})
}

func isScheduled(e sandbox.Event) bool { return e.Source == scheduled }

// carries sends events of a mark on a route, which has a rule for them, and errs unless one arrives.
func (w *World) carries(ctx context.Context, r route, mark string) error {
	sent := sandbox.Event{Source: r.source, DetailType: mark}
	there, err := sandbox.Until(ctx, w.patience.Change, func(ctx context.Context) (bool, error) {
		if err := w.own.PutEvent(ctx, sent); err != nil {
			return false, err
		}
		events, err := w.second.Waiting(ctx, r.url)
		return slices.Contains(events, sent), err
	})
	if err == nil && !there {
		err = fmt.Errorf("an event of a rule with a pattern, in the second Region, within %s: %w", w.patience.Change, errNotShown)
	}
	return err
}

// openRoute makes a route, and a rule with a pattern whose events arrive: EventBridge knows its role, and nothing stops it.
func (w *World) openRoute(ctx context.Context) (route, error) {
	r, err := w.route(ctx)
	if err != nil {
		return r, err
	}
	var refused error
	made, err := sandbox.Until(ctx, w.patience.Change, func(ctx context.Context) (bool, error) {
		_, err := w.own.CreateRule(ctx, sandbox.NewRule{What: w.what("pattern"), Pattern: fmt.Sprintf(`{"source":[%q]}`, r.source), Target: r.bus, TargetRole: r.role})
		if _, is := errors.AsType[*sandbox.RefusedTargetError](err); is || sandbox.Code(err) == "ValidationException" {
			refused = err
			return false, nil
		}
		return err == nil, err
	})
	switch {
	case err != nil:
		return r, err
	case !made:
		return r, fmt.Errorf("a rule to a bus of another Region within %s: %w", w.patience.Change, refused)
	}
	return r, w.carries(ctx, r, "before")
}

// scheduleForeignBus lets a schedule send on a route that is known to carry. That nothing arrives is an answer where a schedule
// of this Region is seen meanwhile, and the route carries still.
func scheduleForeignBus(ctx context.Context, w *World) (Answer, error) {
	r, err := w.openRoute(ctx)
	if err != nil {
		return "", err
	}
	home, queue, err := w.own.CreateQueue(ctx, w.what("queue"))
	if err != nil {
		return "", err
	}
	const everyMinute = "rate(1 minute)"
	if _, err := w.own.CreateRule(ctx, sandbox.NewRule{What: w.what("home"), Schedule: everyMinute, Target: queue}); err != nil {
		return "", err
	}
	_, err = w.own.CreateRule(ctx, sandbox.NewRule{What: w.what("schedule"), Schedule: everyMinute, Target: r.bus, TargetRole: r.role})
	if _, refused := errors.AsType[*sandbox.RefusedTargetError](err); refused || sandbox.Code(err) == "ValidationException" {
		return Refused, nil
	}
	if err != nil {
		return "", err
	}
	if sends, err := sandbox.Until(ctx, w.patience.Change, func(ctx context.Context) (bool, error) { return w.own.Sends(ctx, w.what("schedule"), r.bus) }); err != nil {
		return "", err
	} else if !sends {
		return "", fmt.Errorf("%w: a schedule was made, and sends nothing there", errUnexpected)
	}
	if there, err := w.arrives(ctx, w.second, r.url, isScheduled); err != nil || there {
		return "delivered", err
	}
	switch there, err := w.arrives(ctx, w.own, home, isScheduled); {
	case err != nil:
		return "", err
	case !there:
		return "", fmt.Errorf("an event of any schedule within %s: %w", w.patience.Change, errNotShown)
	}
	return "not-delivered", w.carries(ctx, r, "after")
}

func schedulerPutRule(ctx context.Context, w *World) (Answer, error) {
	p, region, account := w.own.Partition(), w.own.Region(), w.own.Account()
	rule, err := w.own.IntendRule(w.what("pulse"))
	if err != nil {
		return "", err
	}
	resource := p.New("events", region, account, "rule/"+rule).String()
	role, err := w.own.CreateRole(ctx, w.what("scheduler"), trustService("scheduler"),
		fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["events:PutRule","events:TagResource"],"Resource":%q}]}`, resource))
	if err != nil {
		return "", err
	}
	input, err := json.Marshal(map[string]any{"Name": rule, "State": "DISABLED", "EventPattern": nothingSends,
		"Tags": []map[string]string{{"Key": sandbox.TagKey, "Value": string(w.own.Run())}}})
	if err != nil {
		return "", err
	}
	since := w.now()
	made, err := sandbox.Until(ctx, w.patience.Change, func(ctx context.Context) (bool, error) {
		err := w.own.Schedule(ctx, w.what("schedule"), time.Now().Add(time.Minute), p.New("scheduler", "", "", "aws-sdk:eventbridge:putRule").String(), role, string(input))
		if sandbox.Code(err) == "ValidationException" || sandbox.Code(err) == "ConflictException" { // until Scheduler knows the role
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return "", err
	}
	if !made {
		return "", fmt.Errorf("a schedule within %s: %w", w.patience.Change, errNotShown)
	}
	there, err := sandbox.Until(ctx, w.patience.Change, func(ctx context.Context) (bool, error) { return w.own.HasRule(ctx, w.what("pulse")) })
	if err != nil {
		return "", err
	}
	if !there {
		return "not-done", nil
	}
	seen, err := sandbox.Until(ctx, w.patience.Trail, func(ctx context.Context) (bool, error) {
		events, err := w.own.Calls(ctx, "PutRule", since)
		for _, e := range events {
			if e.Request["name"] == rule && e.ErrorCode == "" && arn.Of(e.Actor.RoleARN).Base() == arn.Of(role).Base() {
				return true, err
			}
		}
		return false, err
	})
	switch {
	case err != nil:
		return "", err
	case seen:
		return "recorded", nil
	}
	return "done", nil
}

func keyRemoved(ctx context.Context, w *World) (Answer, error) {
	a, err := w.keyA()
	if err != nil {
		return "", err
	}
	name, err := w.own.IntendSecret(w.what("s"))
	if err != nil {
		return "", err
	}
	template := func(key string) string {
		properties := map[string]any{"Name": name, "GenerateSecretString": map[string]any{}}
		if key != "" {
			properties["KmsKeyId"] = key
		} else {
			properties["Description"] = "its key has left the template"
		}
		text, _ := json.Marshal(map[string]any{"Resources": map[string]any{"Secret": map[string]any{"Type": "AWS::SecretsManager::Secret", "Properties": properties}}}) // texts only
		return string(text)
	}
	if err := w.own.CreateStack(ctx, w.what("stack"), template(a)); err != nil {
		return "", err
	}
	if err := w.own.UpdateStack(ctx, w.what("stack"), template("")); err != nil {
		return "", err
	}
	d, err := w.own.Describe(ctx, name)
	switch {
	case err != nil:
		return "", err
	case same(d.Key, a):
		return "kept", nil
	case d.Key == "":
		return "default-key", nil
	}
	return "", errUnexpected
}
