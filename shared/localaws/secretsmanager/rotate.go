package secretsmanager

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/localaws/core"
	"github.com/doublelock/doublelock/shared/localaws/messaging"
)

type rotationRules struct {
	AutomaticallyAfterDays int    `json:",omitempty"`
	Duration               string `json:",omitempty"`
	ScheduleExpression     string `json:",omitempty"`
}

// rotationConfig is how a secret rotates.
type rotationConfig struct {
	enabled bool
	lambda  string // ARN; "" where the owning service or a role of the owner's rotates
	role    string // that Secrets Manager assumes to rotate a managed external secret
	details []rotationDetail
	rules   rotationRules
	next    time.Time
}

// rotationDetail is one item of ExternalSecretRotationMetadata.
type rotationDetail struct{ Key, Value string }

func (r *rotationConfig) show(e *secretEntry) {
	if r == nil {
		return
	}
	e.RotationEnabled, e.RotationLambdaARN = &r.enabled, r.lambda
	e.ExternalSecretRotationRoleArn, e.ExternalSecretRotationMetadata = r.role, r.details
	if r.rules != (rotationRules{}) {
		e.RotationRules = &r.rules
	}
	if r.enabled {
		e.NextRotationDate = core.Epoch(r.next)
	}
}

// days is the length of the schedule, 0 where it is not one of days.
func (r rotationRules) days() int {
	if r.AutomaticallyAfterDays > 0 {
		return r.AutomaticallyAfterDays
	}
	fields := strings.Fields(strings.TrimSuffix(strings.TrimPrefix(r.ScheduleExpression, "rate("), ")"))
	if len(fields) == 2 && strings.HasPrefix(fields[1], "day") {
		if days, err := strconv.Atoi(fields[0]); err == nil {
			return days
		}
	}
	return 0
}

type rotateInput struct {
	SecretId, ClientRequestToken, RotationLambdaARN string
	ExternalSecretRotationRoleArn                   string
	ExternalSecretRotationMetadata                  []rotationDetail
	RotationRules                                   *rotationRules
	RotateImmediately                               *bool
}

func rotateSecret(c *core.Call) (any, error) {
	var in rotateInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	s, err := authorizedSecret(c, in.SecretId, map[string][]string{"secretsmanager:RotationLambdaARN": given1(in.RotationLambdaARN),
		"secretsmanager:ExternalSecretRotationRoleArn": given1(in.ExternalSecretRotationRoleArn)})
	if err != nil {
		return nil, err
	}
	if err := changeable(c, s); err != nil {
		return nil, err
	}
	if err := s.notItsOwn(); err != nil {
		return nil, err
	}
	if err := checkRotator(c, s, in); err != nil {
		return nil, err
	}
	if len(s.stages) == 0 {
		return nil, invalidRequest("You can't rotate a secret that has no value.")
	}
	if err := mayInvoke(c, cmp.Or(in.RotationLambdaARN, rotatorOf(s))); err != nil {
		return nil, err
	}
	if s.rotation == nil {
		s.rotation = &rotationConfig{}
	}
	s.rotation.enabled, s.rotation.lambda = true, cmp.Or(in.RotationLambdaARN, s.rotation.lambda)
	s.rotation.role = cmp.Or(in.ExternalSecretRotationRoleArn, s.rotation.role)
	if in.ExternalSecretRotationMetadata != nil {
		s.rotation.details = in.ExternalSecretRotationMetadata
	}
	if in.RotationRules != nil {
		s.rotation.rules = *in.RotationRules
	}
	s.rotation.next = c.Now.AddDate(0, 0, s.rotation.rules.days())
	token := versionID(c, in.ClientRequestToken)
	if in.RotateImmediately == nil || *in.RotateImmediately {
		c.After(func() { rotateNow(c.AWS, s, token) })
	}
	return secretOutput{ARN: s.arn, Name: s.name, VersionId: token}, nil
}

// checkRotator sees that something can rotate the secret: the service that owns it, a function, or, for a managed external secret,
// a role that Secrets Manager may assume (user guide, "Managed external secrets", security and permissions).
func checkRotator(c *core.Call, s *secret, in rotateInput) error {
	had := s.rotation
	if had == nil {
		had = &rotationConfig{}
	}
	switch {
	case s.kind == "" && in.ExternalSecretRotationRoleArn != "":
		return invalidRequest("ExternalSecretRotationRoleArn is for managed external secrets, and this secret has no Type.")
	case s.kind != "" && in.RotationLambdaARN != "":
		return invalidRequest("A managed external secret is rotated by a role, not by a Lambda function.")
	case s.kind != "":
		role := cmp.Or(in.ExternalSecretRotationRoleArn, had.role)
		if role == "" {
			return invalidRequest("No rotation role is associated with this managed external secret.")
		}
		if _, err := messaging.ServiceRole(c.AWS, servicePrincipal, role, s.arn); err != nil {
			return secretParameter("Secrets Manager can't assume the role " + role + ".")
		}
	case in.RotationLambdaARN != "" && !isRotator(c.AWS, in.RotationLambdaARN):
		return &core.Error{Code: "ResourceNotFoundException", Message: "Lambda does not exist or could not be accessed"}
	case in.RotationLambdaARN == "" && had.lambda == "" && s.owning == "":
		return invalidRequest("No Lambda rotation function ARN is associated with this secret.")
	}
	return nil
}

func rotatorOf(s *secret) string {
	if s.rotation == nil {
		return ""
	}
	return s.rotation.lambda
}

// mayInvoke checks the caller's right to the rotation function, in the way that Behavior says.
func mayInvoke(c *core.Call, functionARN string) error {
	how := c.AWS.Options.Behavior.RotationInvoke
	if how == core.InvokeNotAsked || functionARN == "" {
		return nil
	}
	asked := &core.Call{AWS: c.AWS, Location: c.Location, Service: "lambda", Operation: "InvokeFunction", Caller: c.Caller, Now: c.Now,
		UserAgent: c.UserAgent, SourceIP: c.SourceIP}
	if how == core.InvokeViaService {
		asked.UserAgent, asked.SourceIP, asked.Via = servicePrincipal, servicePrincipal, servicePrincipal
	}
	return asked.Authorize(core.Access{Resource: functionARN})
}

// rotators are the roles that rotation functions run under, where a world says so.
type rotators struct{ roles map[string]string } // function ARN → role ARN

func rotatorsOf(a *core.AWS) *rotators {
	return core.Global(a, func() *rotators { return &rotators{roles: map[string]string{}} })
}

// RotationFunction says which role a rotation function runs under. Rotation then succeeds only with that role's
// rights; a function of which nothing is said may do everything.
func RotationFunction(a *core.AWS, functionARN, roleARN string) {
	a.Lock()
	defer a.Unlock()
	rotatorsOf(a).roles[functionARN] = roleARN
}

// isRotator reports whether a rotation function exists: deployed, registered, or named by RotationFunction.
func isRotator(a *core.AWS, functionARN string) bool {
	_, named := rotatorsOf(a).roles[functionARN]
	_, deployed := messaging.RoleOf(a, functionARN)
	return named || deployed
}

func given1(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

// rotateNow does what a rotation function does, with the rights of the function's role: read the current value, write a
// new one as AWSPENDING, make it current. The role is that of the function, where it is deployed here, or the one named
// by RotationFunction; without either the rotation may do everything. A managed external secret is rotated so by Secrets Manager,
// with the rights of its rotation role.
func rotateNow(a *core.AWS, s *secret, token string) {
	event := func(name string) {
		a.Happened(s.at, core.ServiceEvent{Source: "secretsmanager", Name: name, RequestID: "Rotation-" + s.arn + "-" + token, Extra: map[string]any{"SecretId": s.arn}})
	}
	event("RotationStarted")
	who, err := rotator(a, s)
	if err == nil {
		err = rotateAs(a, who, s, token)
	}
	if err != nil {
		event("RotationFailed")
		return
	}
	s.rotated = a.Options.Now().UTC()
	event("RotationSucceeded")
}

// rotator is who rotates a secret. The error says that Secrets Manager may not assume the role that is to.
func rotator(a *core.AWS, s *secret) (core.Caller, error) {
	switch {
	case s.owning != "":
		return core.ServiceCaller(s.at.Account, a.Options.Partition.Service(s.owning)), nil
	case s.rotation.role != "":
		who, err := messaging.ServiceRole(a, servicePrincipal, s.rotation.role, s.arn)
		if err != nil {
			return core.Caller{}, err
		}
		return a.WithKey(who), nil
	}
	roleARN := rotatorsOf(a).roles[s.rotation.lambda]
	if own, deployed := messaging.RoleOf(a, s.rotation.lambda); deployed && roleARN == "" {
		roleARN = own
	}
	accountID, role := a.RoleByARN(roleARN)
	if role == nil {
		return core.ServiceCaller(s.at.Account, servicePrincipal), nil
	}
	return a.WithKey(core.RoleCaller(accountID, role, arn.Of(s.rotation.lambda).Name())), nil
}

func rotateAs(a *core.AWS, who core.Caller, s *secret, token string) error {
	before := s.stages[stageCurrent]
	if s.rotation.role != "" {
		if _, err := a.DoLocked(s.at, who, "secretsmanager", "DescribeSecret", map[string]any{"SecretId": s.arn}); err != nil {
			return err
		}
	}
	if _, err := a.DoLocked(s.at, who, "secretsmanager", "GetSecretValue", map[string]any{"SecretId": s.arn}); err != nil {
		return err
	}
	_, err := a.DoLocked(s.at, who, "secretsmanager", "PutSecretValue", map[string]any{"SecretId": s.arn, "ClientRequestToken": token,
		"SecretString": a.Letters(32, core.MixedAlnum), "VersionStages": []string{stagePending}})
	if err != nil {
		return err
	}
	_, err = a.DoLocked(s.at, who, "secretsmanager", "UpdateSecretVersionStage", map[string]any{"SecretId": s.arn, "VersionStage": stageCurrent,
		"MoveToVersionId": token, "RemoveFromVersionId": before})
	return err
}

// Elapse ends the replications that are due and the recovery windows of a location that are over, and rotates the secrets that
// are due. The state lock must be held.
func Elapse(a *core.AWS, at core.Location) {
	catchUp(a)
	now := a.Options.Now()
	for _, s := range slices.Clone(secretsAt(a, at).order) {
		if s.gone || living(a, s) == nil {
			continue
		}
		if r := s.rotation; r != nil && r.enabled && r.rules.days() > 0 && !r.next.After(now) {
			r.next = now.AddDate(0, 0, r.rules.days())
			rotateNow(a, s, a.UUID())
		}
	}
}
