package cloud_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/doublelock/doublelock/shared/doubles"
)

// The doubles of AWS, as docs/differences.md names them.
const (
	localAWS  = "localaws"
	moto      = "moto"
	miniStack = "ministack"
)

// point is one thing that AWS does and that some double does not.
type point string

const (
	versionsListKeys         point = "each version lists the keys that it opens with"
	unlabelledIsListed       point = "a version without a label is listed when it is asked for"
	repeatsAreKnown          point = "a CreateSecret that is repeated with its token answers as the first time"
	managedAliasIsManaged    point = "alias/aws/secretsmanager is a key that AWS manages"
	keyHasAUsage             point = "a key that is made without a usage is for encryption"
	rotationIsSetUp          point = "a secret without a rotation does not rotate"
	rotationRuns             point = "a rotation runs its function, and re-encrypts"
	deletedKeepsItsTags      point = "a secret pending deletion cannot be tagged"
	primaryNamesItsRegion    point = "a replicated primary names its own Region"
	primaryNamesReplicaKeys  point = "a primary names the keys of its replicas"
	replicaIsUnderItsKey     point = "a replica is under the key that was asked for"
	replicaIsRemoved         point = "a replica is gone when its Region is removed"
	ownedIsTheirs            point = "a secret of a service cannot be changed by others"
	rotationsAreListed       point = "the rotations of a key are listed"
	rotationHasAPeriod       point = "a rotation without a period is once in 365 days"
	lastUseIsKnown           point = "a key tells its last use"
	eventsNameTheirAccount   point = "an event that a rule delivers names the account it comes from"
	eventsKeepTheirTime      point = "an event keeps the time that it was put with"
	busPolicyIsKept          point = "a bus keeps its policy as it was put"
	unitsHaveFullAccess      point = "each level of an organization has FullAWSAccess from the start"
	boundaryIsRead           point = "a role's permissions boundary is read with it"
	organizationIsFounded    point = "an organization is founded, or there already"
	eventsAreLookedUp        point = "CloudTrail finds recorded events, newest first"
	organizationTrailIsSeen  point = "the organization's trail is seen by its members"
	functionHasADigest       point = "a function has the digest of its package"
	replicaKeyChanges        point = "the key of a replica is changed in the replica's Region"
	replicaIsPromoted        point = "a replica that is promoted keeps its value, and is a replica no more"
	replicationsFail         point = "a replication whose name is taken is listed as failed, and can be tried again"
	externalIsTyped          point = "a managed external secret has its type and its rotation role"
	materialIsImported       point = "imported key material is there until it expires"
	copiesAreListed          point = "a copy in another account is listed, and is under its own key"
	customStoresAreMade      point = "a key is in a custom key store, and unavailable with it"
	missingKeyIsRefused      point = "a secret cannot be made under a key that is not there"
	disabledKeyIsRefused     point = "a secret cannot be made under a disabled key"
	foreignKeyIsRefused      point = "a secret cannot be made under a key of another Region"
	unusableKeyIsNotSet      point = "a secret cannot be moved to a key that is not there, is disabled or is of another Region"
	replicaUnderMissingFails point = "a replication under a key that is not there fails"
	replicatesWhenMade       point = "a secret that is made with replicas has them"
	rolesTrust               point = "a role can be assumed by those whom it trusts alone"
)

// difference is a point in which a double is not as AWS is.
type difference struct {
	double string
	call   string // AWS's operation
	point  point
	what   string // what the double does instead
}

// differences are all that we know of. docs/differences.md says of each who is right and what we do about it. The list
// only shrinks by itself: each point is tried on each double, and a double that does as AWS does has to go from here.
var differences = []difference{
	{localAWS, "GetFunction", functionHasADigest, "a function is Go code of this process and has no package"},
	{localAWS, "CreateOrganization", organizationIsFounded, "does not know the call: an organization is there from the start"},

	{moto, "ListSecretVersionIds", versionsListKeys, "KmsKeyIds are empty"},
	{moto, "DescribeKey", keyHasAUsage, "KeyUsage is missing"},
	{moto, "RotateSecret", rotationIsSetUp, "rotates without a function"},
	{moto, "RotateSecret", rotationRuns, "wants a function that is deployed, and runs it in a container"},
	{moto, "TagResource", deletedKeepsItsTags, "tags it"},
	{moto, "DescribeSecret", primaryNamesItsRegion, "has no PrimaryRegion"},
	{moto, "DescribeSecret", primaryNamesReplicaKeys, "the replica's KmsKeyId is ignored"},
	{moto, "ReplicateSecretToRegions", replicaIsUnderItsKey, "the replica's KmsKeyId is ignored"},
	{moto, "UpdateSecret", ownedIsTheirs, "changes it"},
	{moto, "GetKeyRotationStatus", rotationHasAPeriod, "has no RotationPeriodInDays"},
	{moto, "GetKeyLastUsage", lastUseIsKnown, "does not know the call"},
	{moto, "PutEvents", eventsNameTheirAccount, "the account is missing"},
	{moto, "LookupEvents", eventsAreLookedUp, "does not know the call"},
	{moto, "DescribeTrails", organizationTrailIsSeen, "has no organization's trail"},
	{moto, "AssumeRole", rolesTrust, "assumes any role of any account"},
	{moto, "UpdateSecret", replicaKeyChanges, "refuses it"},
	{moto, "StopReplicationToReplica", replicaIsPromoted, "does not know the call"},
	{moto, "ReplicateSecretToRegions", replicationsFail, "lists it a second time, and fails again"},
	{moto, "CreateSecret", externalIsTyped, "has neither type nor role"},
	{moto, "GetParametersForImport", materialIsImported, "does not know the call"},
	{moto, "AssociateCrossAccountReplica", copiesAreListed, "does not know the call"},
	{moto, "CreateCustomKeyStore", customStoresAreMade, "does not know the call"},
	{moto, "CreateSecret", missingKeyIsRefused, "takes any text for a key"},
	{moto, "CreateSecret", disabledKeyIsRefused, "takes it"},
	{moto, "CreateSecret", foreignKeyIsRefused, "takes it"},
	{moto, "UpdateSecret", unusableKeyIsNotSet, "takes any text for a key"},
	{moto, "ReplicateSecretToRegions", replicaUnderMissingFails, "the replica's KmsKeyId is ignored"},

	{miniStack, "ListSecretVersionIds", versionsListKeys, "KmsKeyIds are not listed"},
	{miniStack, "ListSecretVersionIds", unlabelledIsListed, "drops a version with its last label"},
	{miniStack, "CreateSecret", repeatsAreKnown, "knows no token, and says that the secret exists"},
	{miniStack, "DescribeKey", managedAliasIsManaged, "there is no such key"},
	{miniStack, "RotateSecret", rotationIsSetUp, "rotates without a function"},
	{miniStack, "RotateSecret", rotationRuns, "takes a function that is not there, and lists no keys of what it wrote"},
	{miniStack, "DescribeSecret", primaryNamesItsRegion, "has no PrimaryRegion"},
	{miniStack, "RemoveRegionsFromReplication", replicaIsRemoved, "does not know the call"},
	{miniStack, "UpdateSecret", ownedIsTheirs, "changes it"},
	{miniStack, "ListKeyRotations", rotationsAreListed, "does not know the call"},
	{miniStack, "GetKeyLastUsage", lastUseIsKnown, "does not know the call"},
	{miniStack, "PutEvents", eventsKeepTheirTime, "the time is that of the arrival"},
	{miniStack, "PutPermission", busPolicyIsKept, "keeps a statement of its own making, without the condition"},
	{miniStack, "CreateOrganizationalUnit", unitsHaveFullAccess, "no SCP is attached"},
	{miniStack, "CreateOrganization", organizationIsFounded, "does not know the call: the first that asks finds one"},
	{miniStack, "GetAccountAuthorizationDetails", boundaryIsRead, "the boundary is missing"},
	{miniStack, "LookupEvents", eventsAreLookedUp, "finds nothing: no call is recorded"},
	{miniStack, "DescribeTrails", organizationTrailIsSeen, "has no organization's trail"},
	{miniStack, "UpdateSecret", replicaKeyChanges, "refuses it"},
	{miniStack, "StopReplicationToReplica", replicaIsPromoted, "does not know the call"},
	{miniStack, "ReplicateSecretToRegions", replicationsFail, "refuses the call"},
	{miniStack, "CreateSecret", externalIsTyped, "has neither type nor role"},
	{miniStack, "AssociateCrossAccountReplica", copiesAreListed, "does not know the call"},
	{miniStack, "CreateCustomKeyStore", customStoresAreMade, "does not know the call"},
	{miniStack, "CreateSecret", missingKeyIsRefused, "takes any text for a key"},
	{miniStack, "CreateSecret", disabledKeyIsRefused, "takes it"},
	{miniStack, "CreateSecret", foreignKeyIsRefused, "takes it"},
	{miniStack, "UpdateSecret", unusableKeyIsNotSet, "takes any text for a key"},
	{miniStack, "ReplicateSecretToRegions", replicaUnderMissingFails, "says InSync"},
	{miniStack, "CreateSecret", replicatesWhenMade, "makes none, and says nothing"},
}

// expect tries a point. On a double that is known to differ it must fail: one that has become right is to be struck
// from differences, with its row in docs/differences.md.
func (w *world) expect(t *testing.T, p point, holds func(t testing.TB)) {
	t.Helper()
	for _, d := range differences {
		if d.double != w.double || d.point != p {
			continue
		}
		a := attempt{TB: t}
		problems := a.run(holds)
		if len(problems) == 0 {
			t.Errorf("%s differs no more from AWS: %s. Strike it from differences and from docs/differences.md", w.double, p)
		}
		t.Logf("%s differs, as listed (%s: %s): %.300q", w.double, d.call, d.what, problems)
		tried.Store(d, true)
		return
	}
	holds(t)
}

// tried holds each difference that was tried.
var tried sync.Map

// everyDifferenceTried reports whether no difference went untried, where all tests ran: one that no test tries is never
// found to be gone.
func everyDifferenceTried() bool {
	for _, name := range []string{"test.run", "test.skip", "test.list", "test.bench", "test.fuzz"} {
		if flag.Lookup(name).Value.String() != "" {
			return true
		}
	}
	for _, d := range differences {
		s := strangers[doubles.Double(d.double)]
		if _, ok := tried.Load(d); !ok && (s == nil || s.process != nil) { // not installed at a desk: nothing was tried
			fmt.Fprintf(os.Stderr, "no test tries the difference of %s: %s\n", d.double, d.point)
			return false
		}
	}
	return true
}

// attempt is a test that may fail: it keeps what failed to itself.
type attempt struct {
	testing.TB
	problems []string
}

func (a *attempt) run(f func(testing.TB)) []string {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(a)
	}()
	<-done
	return a.problems
}

func (a *attempt) fail(problem string) { a.problems = append(a.problems, problem) }

func (a *attempt) Error(args ...any)                 { a.fail(fmt.Sprint(args...)) }
func (a *attempt) Errorf(format string, args ...any) { a.fail(fmt.Sprintf(format, args...)) }
func (a *attempt) Fail()                             { a.fail("failed") }
func (a *attempt) Failed() bool                      { return len(a.problems) > 0 }

func (a *attempt) FailNow() {
	a.fail("failed")
	runtime.Goexit()
}

func (a *attempt) Fatal(args ...any) {
	a.fail(fmt.Sprint(args...))
	runtime.Goexit()
}

func (a *attempt) Fatalf(format string, args ...any) {
	a.fail(fmt.Sprintf(format, args...))
	runtime.Goexit()
}
