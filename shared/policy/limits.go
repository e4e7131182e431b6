package policy

import "strings"

// limits is whether boundary and session policy let an allow through. The root user has no boundary; a session of sts:AssumeRoot has the
// policy of its task. A federated user has nothing of the user's where no session policy was passed.
// Source: STS API Reference, AssumeRoot, TaskPolicyArn; GetFederationToken: "if you do not pass a policy, then the resulting federated user
// session has no permissions".
func (e *evaluation) limits() truth {
	p, result := e.policies, yes
	if len(p.Boundary) > 0 && e.request.Principal.Kind != KindRoot {
		result = e.boundary.allow
	}
	switch {
	case len(p.Session) > 0:
		result = min(result, e.session.allow)
	case e.request.Principal.Kind != KindFederatedUser:
	case p.NoSession:
		return no
	default:
		result = min(result, maybe)
	}
	return result
}

// limitsEveryone is whether what a resource's policy allows everyone counts. Boundary and session policy do not limit it. But a policy for
// everyone does not reference a federated user's session "specifically", as one has to that gives something to a session to which no session
// policy was passed: whether it does is not said.
// Source: IAM User Guide, "AWS JSON policy elements: Principal", IAM role principals: they "do not limit permissions granted using the
// aws:PrincipalArn condition key with a wildcard(*) in the Principal element"; STS API Reference, GetFederationToken.
func (e *evaluation) limitsEveryone() truth {
	if e.withoutSessionPolicy() {
		return maybe
	}
	return yes
}

// withoutSessionPolicy is whether the principal is a federated user to whom none was passed, as far as is known.
func (e *evaluation) withoutSessionPolicy() bool {
	return e.policies.NoSession && len(e.policies.Session) == 0 && e.request.Principal.Kind == KindFederatedUser
}

// noteLimits says what is not known of the limits.
func (e *evaluation) noteLimits() {
	switch {
	case e.request.Principal.Kind != KindFederatedUser:
		return
	case e.withoutSessionPolicy():
		if e.resource.grades[gradeEveryone] > no {
			e.reasons.note("whether an allow for everyone counts for a federated user to whom no session policy was passed, AWS does not say")
		}
	case len(e.policies.Session) == 0:
		e.reasons.note("whether a session policy was passed to sts:GetFederationToken is not known: without one the session has nothing of the user's")
	}
	if e.perhapsBarred() == maybe {
		e.reasons.note("the session of a federated user calls IAM only from the console")
	}
}

// barred is why no policy can let the principal do it; "" where one can.
// Source: STS API Reference, AssumeRole ("You cannot call AssumeRole by using AWS root account credentials", "You cannot call the AWS STS
// GetFederationToken or GetSessionToken API operations"), AssumeRoot, and GetFederationToken ("You cannot call any STS operations except
// GetCallerIdentity"); KMS API Reference, CreateAlias, UpdateAlias and DeleteAlias ("alias/aws/" is reserved for AWS managed keys).
func (e *evaluation) barred() string {
	switch kind := e.request.Principal.Kind; {
	case e.service == "kms" && e.reserved():
		return "alias/aws/ is reserved for AWS managed keys"
	case e.service != "sts":
	case kind == KindRoot && (e.action == "assumerole" || e.action == "assumeroot"):
		return "the root user of an account cannot assume roles"
	case kind == KindFederatedUser && e.action != "getcalleridentity":
		return "the session of a federated user calls nothing of STS but GetCallerIdentity"
	case (kind == KindRole || kind == KindSession) && (e.action == "getfederationtoken" || e.action == "getsessiontoken"):
		return "the session of a role cannot get a token of another kind"
	}
	return ""
}

// perhapsBarred is maybe for what a federated user may call from the console alone.
// Source: STS API Reference, GetFederationToken: "You cannot call any IAM operations using the CLI or the API. This limitation does not apply
// to console sessions."
func (e *evaluation) perhapsBarred() truth {
	if e.service == "iam" && e.request.Principal.Kind == KindFederatedUser {
		return maybe
	}
	return yes
}

// reserved is whether the request changes an alias of AWS.
func (e *evaluation) reserved() bool {
	if e.action != "createalias" && e.action != "updatealias" && e.action != "deletealias" {
		return false
	}
	_, name, _ := cutARN(e.request.Resource)
	return strings.HasPrefix(name, reservedAlias)
}

const reservedAlias = "alias/aws/"
