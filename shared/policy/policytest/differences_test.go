package policytest_test

// Why the simulator differs, each with the AWS page that decides for us.
const (
	derives = "the simulator takes no key from the principal, account or service; AWS adds these to every request " +
		"(IAM User Guide, global condition context keys)"
	rootAccess = "the root user has full access to its account without identity policies " +
		"(IAM User Guide, policy evaluation logic: \"with the exception of the AWS account root user\")"
	sessionGrant = "a permission granted to the session itself is not limited by an implicit deny of its session policy " +
		"(IAM User Guide, policy evaluation for requests within a single account)"
	serviceLinked = "SCPs and RCPs do not restrict service-linked roles " +
		"(AWS Organizations User Guide, tasks and entities not restricted)"
	services = "SCPs apply to users and roles of the account, not to service principals " +
		"(AWS Organizations User Guide, SCP effects on permissions)"
	rcpList = "RCPs apply only to the listed services, and never to kms:RetireGrant " +
		"(AWS Organizations User Guide, list of AWS services that support RCPs)"
	epoch      = "dates may be seconds since the epoch (IAM User Guide, date condition operators)"
	oldVersion = "without Version 2012-10-17 a policy variable is literal text (IAM User Guide, variables and tags, Note)"
	escaped    = "${*}, ${?} and ${$} stand for the characters in every string operator (IAM User Guide, variables and tags)"
	filtered   = "the simulator drops context keys that its data does not list for the action, prefixed ones among them " +
		"(KMS Developer Guide, kms:EncryptionContext; IAM User Guide, keys of OIDC providers)"
	refuses = "AWS would not accept the document; the simulator reads it, or refuses the whole case, we answer what is certain"
	open    = "AWS's documentation does not decide it: neither an allow nor a deny that rests on it is certain"
	noValue = "negated operators match a variable that has no value, and NotResource with one no resource " +
		"(IAM User Guide, variables and tags, policy variables with no value)"
	passed = "the simulator has no notion of a federated user to whom no session policy was passed, which leaves nothing of the user's " +
		"(STS API Reference, GetFederationToken)"
	calls = "which calls a session cannot make, and that a root session has a task policy, is in no policy that the simulator reads " +
		"(STS API Reference, AssumeRole, AssumeRoot and GetFederationToken)"
	bob = "NotPrincipal with a user and the account denies the account's other users (IAM User Guide, NotPrincipal, the example of Bob)"
)

// differences explains every case in which the simulator (version pinned in package.json) answers otherwise.
var differences = map[string]string{
	"aws:PrincipalArn of a user":                           derives,
	"aws:PrincipalArn of a session is its role's":          derives,
	"aws:PrincipalAccount":                                 derives,
	"aws:PrincipalType of a user":                          derives,
	"aws:PrincipalType of a session":                       derives,
	"aws:PrincipalType of the root user":                   derives,
	"aws:username of a user":                               derives,
	"aws:username of a user with a path":                   derives,
	"aws:username follows from an IAM user":                derives,
	"aws:PrincipalIsAWSService is false for a user":        derives,
	"aws:PrincipalIsAWSService is true for a service":      derives,
	"aws:PrincipalServiceName of a service":                derives,
	"aws:ResourceAccount":                                  derives,
	"the caller's account follows from the principal":      derives,
	"the role ARN of a session follows from the session":   derives,
	"the root user has full access to its account":         rootAccess,
	"the root user of the other account":                   rootAccess,
	"the root user is named by the account":                rootAccess,
	"a service-linked role is not restricted":              serviceLinked,
	"a session of a service-linked role is not restricted": serviceLinked,
	"an RCP does not restrict a service-linked role":       serviceLinked,
	"a service principal is not restricted":                services,
	"an RCP does not restrict a service outside the list":  rcpList,
	"an RCP does not restrict RetireGrant":                 rcpList,
	"DateEquals 1772323200 with 2026-03-01T00:00:00Z":      epoch,
	"DateGreaterThan 2026-03-01T00:00:00Z with 1772323201": epoch,
	"a variable is literal text before Version 2012-10-17": oldVersion,
	"a variable is literal text without a Version":         oldVersion,
	"an escaped star in StringEquals is a star":            escaped,
	"an escaped dollar is a dollar":                        escaped,
	"encryption context names one secret":                  filtered,
	"a scoped kill switch: deny by encryption context":     filtered,
	"an OIDC subject that is trusted":                      filtered,

	"a resource policy for the session is not limited by the session policy":        sessionGrant,
	"a resource policy for the federated user is not limited by the session policy": sessionGrant,

	"a star that ends a segment may cross colons": "\"if the * wildcard is the last character of a resource ARN segment, it " +
		"can expand to match beyond the colon boundaries\" (IAM User Guide, Resource)",
	"a web identity provider by its domain": "the simulator knows identity providers only by ARN; Google, Amazon, " +
		"Facebook and Cognito are named by domain (IAM User Guide, web identity session principals)",
	"ForAllValues of numbers": "ForAllValues wants every value of the request to match (IAM User Guide, set operators); " +
		"the simulator looks at one value of a key that it lists as single-valued",
	"Null is true of an empty set": "Null false means \"the key exists and its value is not null\" " +
		"(IAM User Guide, Null condition operator)",

	"a plain operator on a multivalued key in a deny leaves the answer open": open,
	"an identity policy with an unknown operator":                            refuses,
	"a resource policy without a Principal":                                  refuses,
	"a broken policy does not matter beside a deny":                          refuses,

	"a variable before the fifth colon leaves the answer open":                                      open,
	"a variable without a value is unlike every value":                                              noValue,
	"a variable in a number leaves the answer open":                                                 open,
	"a multivalued key as a variable leaves the answer open":                                        open,
	"a negated deny applies where its variable has no value":                                        noValue,
	"a plain operator on a multivalued key in an allow leaves the answer open":                      open,
	"a value that is no number leaves the answer open":                                              open,
	"ArnLike arn:aws:sns:*:orders with arn:aws:sns:eu-west-1:111122223333:orders":                   open,
	"ArnLike of a star that is no ARN in an allow leaves the answer open":                           open,
	"ArnLike of a star that is no ARN in a deny leaves the answer open":                             open,
	"ArnNotLike of a star that is no ARN in an allow leaves the answer open":                        open,
	"ArnNotLike of a star that is no ARN in a deny leaves the answer open":                          open,
	"the paths of an organization with a plain operator in an allow leaves the answer open":         open,
	"the paths of an organization with a plain operator in a deny leaves the answer open":           open,
	"the paths of an organization with a plain negated operator in an allow leaves the answer open": open,
	"the paths of an organization with a plain negated operator in a deny leaves the answer open":   open,
	"Bool of a word in an allow leaves the answer open":                                             open,
	"Bool of a word in a deny leaves the answer open":                                               open,
	"Null of a word in an allow leaves the answer open":                                             open,
	"Null of a word in a deny leaves the answer open":                                               open,
	"StringNotLike with a variable without a value allows":                                          noValue,
	"NotResource with a variable without a value is about every resource":                           noValue,
	"a variable in the account of a resource leaves the answer open":                                open,
	"a deny of a unique id leaves the answer open where that of the role is not given":              open,
	`the account of an unsigned request is "anonymous"`:                                             derives,
	"NotPrincipal with Bob and the account denies Ana":                                              bob,
	"NotPrincipal with the role alone leaves it open whether it spares the session":                 open,
	"NotPrincipal with another session of the role leaves it open":                                  open,
	"NotPrincipal with another role of the account denies":                                          bob,
	"NotPrincipal with the account spares its root user":                                            rootAccess,
	"a canonical id in an allow leaves the answer open":                                             open,
	"the user behind a federated user may be the one named":                                         open,
	"a unique id is perhaps that of a role whose id is not given":                                   open,
	"NotPrincipal with the account alone leaves it open whether it spares those in it":              open,

	"a federated user, of whose session policy nothing is said, leaves the answer open":               open,
	"a federated user without a session policy is perhaps among everyone":                             open,
	"a federated user in another account needs a session policy that allows":                          open,
	"a federated user calls IAM from the console alone":                                               open,
	"ForAnyValueIfExists without the key leaves the answer open":                                      open,
	"ForAllValues with Null in an allow leaves the answer open":                                       open,
	"ForAllValues with Null in a deny leaves the answer open":                                         open,
	"ForAnyValue with Null of a key that is there leaves the answer open":                             open,
	"ForAnyValueIfExists without the key in a deny leaves the answer open":                            open,
	"a condition without values leaves the answer open":                                               open,
	"NotPrincipal with a federated user and the account leaves it open whether it spares the session": open,
	"NotPrincipal with the role and the account leaves it open whether it spares the session":         open,
	"a federated user without a session policy has nothing of the user's":                             passed,
	"a federated user without a session policy has what a policy gives the session":                   passed,
	"a federated user assumes no role":                                                                calls,
	"the session of a role gets no federation token":                                                  calls,
	"the session of a role gets no session token":                                                     calls,
	"a root user's task policy limits the session":                                                    calls,
}
