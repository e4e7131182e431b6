package guard_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
)

// noLabel is how a version without a label is called.
const noLabel = "a version without a label"

// version is one with a label, or with none, that keys open.
func version(id, label string, opens ...guard.Key) guard.Version {
	v := guard.Version{ID: id, Keys: opens}
	if label != "" {
		v.Stages = []string{label}
	}
	return v
}

// fate is what a blast radius says of one secret; the zero Affected where it does not name it.
func fate(t *testing.T, off guard.Key, s guard.Secret) guard.Affected {
	t.Helper()
	radius := guard.Blast(off, []guard.Secret{s})
	all := everyList(radius)
	if len(all) > 1 {
		t.Fatalf("%d times: %+v", len(all), all)
	}
	if len(all) == 0 {
		return guard.Affected{}
	}
	a := all[0]
	a.Secret, a.Name, a.State = "", "", ""
	class := map[string]int{"stops": len(radius.Stops), "in part": len(radius.Partly), "goes on": len(radius.Remains), "unknown": len(radius.Unknown)}
	if want := classOf(t, a); class[want] != 1 {
		t.Errorf("%+v is not said to be %s: %v", a, want, class)
	}
	return a
}

// classOf says in which list a fate belongs: by whether the current version in the primary can be read, and then anything else.
func classOf(t *testing.T, a guard.Affected) string {
	t.Helper()
	switch a.Fate {
	case guard.FateEveryCopy, guard.FateOtherVersion, guard.FateReplica, guard.FateUnreadReplica, guard.FateCurrentStops:
		return "stops"
	case guard.FateVersionStops, guard.FateReplicaStops, guard.FateReplicaNext, guard.FateLosesKey, guard.FateOlderCopy, guard.FateOwnKey, guard.FateOtherKey, guard.FateNoValue:
		switch {
		case len(a.Labels)+len(a.Regions)+len(a.Stopping) > 0:
			return "in part"
		case len(a.Unread)+len(a.Unsure) > 0:
			return "unknown"
		}
		return "goes on"
	case guard.FateUnreadVersions, guard.FateUnreadKey:
		return "unknown"
	default:
		t.Fatalf("nothing is known of the fate %s", a.Fate)
		return ""
	}
}

// The key is enabled in all of these, as it is when somebody asks what would stop.
func TestEachCopyOfASecretHasItsFate(t *testing.T) {
	off, disabled := ownKey, inState(otherKey, guard.KeyDisabled)
	having := func(s guard.Secret, more ...guard.Version) guard.Secret {
		s.Versions = append(s.Versions, more...)
		return s
	}
	in := func(s guard.Secret, replicas ...guard.Replica) guard.Secret {
		s.Replicas = replicas
		return s
	}
	failed, empty, older, unsure := replicaIn("eu-west-1", otherKey), replicaIn("eu-west-1", otherKey), replicaIn("eu-west-1", off), replicaIn("eu-west-1", off)
	failed.Status = "Failed"
	empty.Versions = []guard.Version{version("v0", "", otherKey)}
	older.Versions = append(older.Versions, version("v0", "AWSPREVIOUS", otherKey))
	unsure.Versions, unsure.Status = older.Versions, "Failed"
	unlisted := guard.Replica{Region: "eu-west-1", Key: otherKey, Status: "InSync"}
	creating, nextYear, unread := inState(otherKey, guard.KeyCreating), inState(centralKey, "Resting"), guard.Key{ARN: otherKey.ARN, ID: otherKey.ID}
	unlabelled := replicaIn("eu-west-1", otherKey)
	unlabelled.Versions = append(unlabelled.Versions, version("v0", "", off))
	previously := func(opens ...guard.Key) guard.Replica {
		r := replicaIn("eu-west-1", otherKey)
		r.Versions = append(r.Versions, version("v0", "AWSPREVIOUS", opens...))
		return r
	}
	stopping := func(more ...guard.Version) guard.Replica {
		r := replicaIn("eu-west-1", off)
		r.Versions = append(r.Versions, more...)
		return r
	}
	doubtful, closed := replicaIn("eu-west-1", otherKey, creating), replicaIn("eu-west-1", otherKey, off)
	doubtful.Status, closed.Status = "Failed", "Failed"
	soon, later := now.AddDate(0, 0, 2), now.AddDate(0, 0, 9)
	ends := func(at time.Time) guard.Key { return expiring(otherKey, at) }
	briefly := func(keys ...guard.Key) []guard.Key {
		for i := range keys {
			keys[i] = briefKey(keys[i])
		}
		return keys
	}
	for sentence, c := range map[string]struct {
		secret guard.Secret
		want   guard.Affected
	}{
		"every copy is under it":                                     {secret(off, off), guard.Affected{Fate: guard.FateEveryCopy}},
		"an older copy opens, and not with the key itself":           {secret(off, off, otherKey), guard.Affected{Fate: guard.FateOlderCopy, Opens: briefKey(otherKey)}},
		"an older copy's key is disabled":                            {secret(off, off, disabled), guard.Affected{Fate: guard.FateEveryCopy, Others: []guard.Key{briefKey(disabled)}}},
		"of two others, the one that is enabled opens it":            {secret(off, off, otherKey, inState(centralKey, guard.KeyDisabled)), guard.Affected{Fate: guard.FateOlderCopy, Opens: briefKey(otherKey)}},
		"its version was never re-encrypted":                         {secret(off, otherKey), guard.Affected{Fate: guard.FateOtherKey}},
		"it was not, and is under a key that is disabled":            {secret(off, disabled), guard.Affected{Fate: guard.FateEveryCopy, Apart: []guard.Key{briefKey(disabled)}}},
		"its previous version opens with another":                    {having(secret(off, off), version("v0", "AWSPREVIOUS", otherKey)), guard.Affected{Fate: guard.FateOtherVersion, Opens: briefKey(otherKey), Labels: []string{"AWSPREVIOUS"}}},
		"a version without a label, which is read by its id":         {having(secret(off, off), version("v0", "", otherKey)), guard.Affected{Fate: guard.FateOtherVersion, Opens: briefKey(otherKey), Labels: []string{noLabel}}},
		"several without a label are named a single time":            {having(secret(off, off), version("v0", "", otherKey), version("v00", "", otherKey)), guard.Affected{Fate: guard.FateOtherVersion, Opens: briefKey(otherKey), Labels: []string{noLabel}}},
		"several versions open, each with a key of its own":          {having(secret(off, off), version("v0", "AWSPREVIOUS", otherKey), version("v00", "", centralKey)), guard.Affected{Fate: guard.FateOtherVersion, Opened: []guard.Opened{{What: []string{"AWSPREVIOUS"}, Keys: briefly(otherKey)}, {What: []string{noLabel}, Keys: briefly(centralKey)}}, Labels: []string{"AWSPREVIOUS", noLabel}}},
		"a version without a label stops":                            {having(secret(otherKey, otherKey), version("v0", "", off)), guard.Affected{Fate: guard.FateVersionStops, Labels: []string{noLabel}}},
		"a version without a label opens with another as well":       {having(secret(otherKey, otherKey), version("v0", "", off, otherKey)), guard.Affected{Fate: guard.FateLosesKey, Opens: briefKey(otherKey), Loses: []string{noLabel}}},
		"one without a label may open with a key that is not read":   {having(secret(otherKey, otherKey), version("v0", "", off, unread)), guard.Affected{Fate: guard.FateUnreadKey, Unsure: []string{noLabel}, Others: briefly(unread)}},
		"a version without a label stops in a replica":               {in(secret(otherKey, otherKey), unlabelled), guard.Affected{Fate: guard.FateVersionStops, Labels: []string{noLabel + " in eu-west-1"}}},
		"a label stops, and the current version has another key":     {having(secret(otherKey, off, otherKey), version("v0", "blue", off)), guard.Affected{Fate: guard.FateOwnKey, Opens: briefKey(otherKey), Labels: []string{"blue"}}},
		"a replica opens, and so does a label of the primary":        {in(having(secret(off, off), version("v0", "blue", otherKey)), replicaIn("eu-west-1", centralKey)), guard.Affected{Fate: guard.FateReplica, Opened: []guard.Opened{{What: []string{"eu-west-1"}, Keys: briefly(centralKey)}, {What: []string{"blue"}, Keys: briefly(otherKey)}}, Regions: []string{"eu-west-1"}, Labels: []string{"blue"}}},
		"the key of a replica that could not be asked":               {in(secret(otherKey, otherKey), guard.Replica{Region: "eu-west-1", Key: off, Status: "InSync"}), guard.Affected{Fate: guard.FateReplicaStops, Unread: []string{"eu-west-1"}}},
		"of a stopped secret a version may open with a key not read": {having(secret(off, off), version("v0", "AWSPREVIOUS", off, unread)), guard.Affected{Fate: guard.FateCurrentStops, Unsure: []string{"AWSPREVIOUS"}, Others: briefly(unread)}},
		"a replica's previous version opens with another":            {in(secret(off, off), older), guard.Affected{Fate: guard.FateOtherVersion, Opens: briefKey(otherKey), Labels: []string{"AWSPREVIOUS in eu-west-1"}}},
		"one of a replica that may hold anything":                    {in(secret(off, off), unsure), guard.Affected{Fate: guard.FateOtherVersion, Opens: briefKey(otherKey), Labels: []string{"AWSPREVIOUS in eu-west-1"}}},
		"a replica that failed, whose version opens":                 {in(secret(off, off), failed), guard.Affected{Fate: guard.FateOtherVersion, Opens: briefKey(otherKey), Labels: []string{"AWSCURRENT in eu-west-1"}}},
		"a replica that failed, and nobody knows of its key":         {in(secret(off, off), doubtful), guard.Affected{Fate: guard.FateCurrentStops, Unsure: []string{"AWSCURRENT in eu-west-1"}, Others: briefly(creating)}},
		"a replica that failed, all of which is under it":            {in(secret(off, off), closed), guard.Affected{Fate: guard.FateEveryCopy}},
		"a replica that lists no current version":                    {in(secret(off, off), empty), guard.Affected{Fate: guard.FateOtherVersion, Opens: briefKey(otherKey), Labels: []string{noLabel + " in eu-west-1"}, Unread: []string{"eu-west-1"}}},
		"of two replicas one opens, and one could not be asked":      {in(secret(off, off), replicaIn("eu-west-1", otherKey), guard.Replica{Region: "eu-west-2", Key: otherKey, Status: "Failed"}), guard.Affected{Fate: guard.FateReplica, Opens: briefKey(otherKey), Regions: []string{"eu-west-1"}, Unread: []string{"eu-west-2"}}},
		"a replica opens, and of a version nobody knows":             {in(having(secret(off, off), version("v0", "blue", creating)), replicaIn("eu-west-1", otherKey)), guard.Affected{Fate: guard.FateReplica, Opens: briefKey(otherKey), Regions: []string{"eu-west-1"}, Unsure: []string{"blue"}, Others: briefly(creating)}},
		"a replica opens, and a version there with one key more":     {in(secret(off, off), previously(otherKey, awsKey)), guard.Affected{Fate: guard.FateReplica, Opened: []guard.Opened{{What: []string{"eu-west-1"}, Keys: briefly(otherKey)}, {What: []string{"AWSPREVIOUS in eu-west-1"}, Keys: briefly(otherKey, awsKey)}}, Regions: []string{"eu-west-1"}, Labels: []string{"AWSPREVIOUS in eu-west-1"}}},
		"a replica stops, and its previous version has another key":  {in(secret(otherKey, otherKey), stopping(version("v0", "AWSPREVIOUS", off, awsKey))), guard.Affected{Fate: guard.FateReplicaStops, Regions: []string{"eu-west-1"}, Outlives: []guard.Opened{{What: []string{"AWSPREVIOUS in eu-west-1"}, Keys: briefly(awsKey)}}}},
		"a replica stops, and what was never under it there does not": {in(secret(otherKey, otherKey), stopping(version("v0", "green", awsKey), version("v00", "", centralKey, awsKey), version("v01", "", centralKey, awsKey), version("v02", "AWSPREVIOUS", off))),
			guard.Affected{Fate: guard.FateVersionStops, Labels: []string{"AWSPREVIOUS in eu-west-1"}, Regions: []string{"eu-west-1"}, Outlives: []guard.Opened{{What: []string{"green in eu-west-1"}, Keys: briefly(awsKey)}, {What: []string{noLabel + " in eu-west-1"}, Keys: briefly(centralKey, awsKey)}}}},
		"a copy in another account stops, and its previous version does not": {with(secret(otherKey, otherKey), func(s *guard.Secret) {
			inAnotherAccount(off)(s)
			s.Elsewhere.Copies[0].Account, s.Elsewhere.Copies[0].Versions = "444455556666", append(s.Elsewhere.Copies[0].Versions, version("v0", "AWSPREVIOUS", off, centralKey))
		}), guard.Affected{Fate: guard.FateReplicaStops, Regions: []string{"account 444455556666"}, Outlives: []guard.Opened{{What: []string{"AWSPREVIOUS in account 444455556666"}, Keys: briefly(centralKey)}}}},
		"a replica stops beside an older copy, and its previous version does not": {in(secret(off, off, otherKey), stopping(version("v0", "AWSPREVIOUS", awsKey))), guard.Affected{Fate: guard.FateOlderCopy, Opens: briefKey(otherKey), Regions: []string{"eu-west-1"}, Outlives: []guard.Opened{{What: []string{"AWSPREVIOUS in eu-west-1"}, Keys: briefly(awsKey)}}}},
		"a replica stops, and what does not there ends": {in(secret(centralKey, centralKey), stopping(version("v0", "green", ends(soon)))),
			guard.Affected{Fate: guard.FateReplicaStops, Regions: []string{"eu-west-1"}, Outlives: []guard.Opened{{What: []string{"green in eu-west-1"}, Keys: []guard.Key{expiring(briefKey(otherKey), soon)}}}, Ends: []guard.End{{What: "green in eu-west-1", At: soon, Key: otherKey.ARN, Lost: true}}}},
		"one version stops, and another loses one of its keys":     {having(secret(otherKey, otherKey), version("v0", "AWSPREVIOUS", off), version("v00", "mine", off, centralKey)), guard.Affected{Fate: guard.FateVersionStops, Labels: []string{"AWSPREVIOUS"}, Outlives: []guard.Opened{{What: []string{"mine"}, Keys: briefly(centralKey)}}}},
		"a replica's version to come, and the one there loses one": {in(secret(otherKey, otherKey), replicaIn("eu-west-1", off, off, centralKey)), guard.Affected{Fate: guard.FateReplicaNext, Next: []string{"eu-west-1"}, Outlives: []guard.Opened{{What: []string{"AWSCURRENT in eu-west-1"}, Keys: briefly(centralKey)}}}},
		"a replica that could not be asked, behind a version without a label": {in(with(secret(off, off), func(s *guard.Secret) { s.Versions = append([]guard.Version{version("v0", "", off)}, s.Versions...) }), unlisted),
			guard.Affected{Fate: guard.FateReplica, Opens: briefKey(otherKey), Regions: []string{"eu-west-1"}}},
		"its previous version stops":                      {having(secret(otherKey, otherKey), version("v0", "AWSPREVIOUS", off)), guard.Affected{Fate: guard.FateVersionStops, Labels: []string{"AWSPREVIOUS"}}},
		"its previous version opens with another as well": {having(secret(otherKey, otherKey), version("v0", "AWSPREVIOUS", off, otherKey)), guard.Affected{Fate: guard.FateLosesKey, Opens: briefKey(otherKey), Loses: []string{"AWSPREVIOUS"}}},
		"versions open with several others as well": {having(secret(otherKey, otherKey), version("v0", "AWSPREVIOUS", off, otherKey), version("v00", "mine", centralKey, off)),
			guard.Affected{Fate: guard.FateLosesKey, Opened: []guard.Opened{{What: []string{"AWSPREVIOUS"}, Keys: briefly(otherKey)}, {What: []string{"mine"}, Keys: briefly(centralKey)}}, Loses: []string{"AWSPREVIOUS", "mine"}}},
		"its previous version opens until material expires": {having(secret(centralKey, centralKey), version("v0", "AWSPREVIOUS", off, ends(soon))),
			guard.Affected{Fate: guard.FateLosesKey, Opens: expiring(briefKey(otherKey), soon), Loses: []string{"AWSPREVIOUS"}, Ends: []guard.End{{What: "AWSPREVIOUS", At: soon, Key: otherKey.ARN}}}},
		"it is closed by another key, and its previous version opens with another as well": {having(secret(disabled, disabled), version("v0", "AWSPREVIOUS", off, centralKey)),
			guard.Affected{Fate: guard.FateOtherVersion, Opens: briefKey(centralKey), Apart: briefly(disabled), Labels: []string{"AWSPREVIOUS"}}},
		"a version that is under other keys alone":             {having(secret(otherKey, otherKey), version("v0", "AWSPREVIOUS", centralKey, otherKey)), guard.Affected{}},
		"its previous version stops, and so does a replica":    {in(having(secret(otherKey, otherKey), version("v0", "AWSPREVIOUS", off)), replicaIn("eu-west-1", off)), guard.Affected{Fate: guard.FateVersionStops, Labels: []string{"AWSPREVIOUS"}, Regions: []string{"eu-west-1"}}},
		"a label stops, and a replica could not be asked":      {in(having(secret(otherKey, otherKey), version("v0", "blue", off)), guard.Replica{Region: "eu-west-1", Key: off, Status: "InSync"}), guard.Affected{Fate: guard.FateVersionStops, Labels: []string{"blue"}, Unread: []string{"eu-west-1"}}},
		"a label stops, and a replica's version to come":       {in(having(secret(otherKey, otherKey), version("v0", "blue", off)), replicaIn("eu-west-1", off, otherKey)), guard.Affected{Fate: guard.FateVersionStops, Labels: []string{"blue"}, Next: []string{"eu-west-1"}}},
		"a replica's version to come":                          {in(secret(otherKey, otherKey), replicaIn("eu-west-1", off, otherKey)), guard.Affected{Fate: guard.FateReplicaNext, Next: []string{"eu-west-1"}}},
		"a replica's current version":                          {in(secret(otherKey, otherKey), replicaIn("eu-west-1", otherKey, off)), guard.Affected{Fate: guard.FateReplicaStops, Regions: []string{"eu-west-1"}}},
		"a replica's version that opens with its own as well":  {in(secret(otherKey, otherKey), replicaIn("eu-west-1", otherKey, off, otherKey)), guard.Affected{Fate: guard.FateLosesKey, Opens: briefKey(otherKey), Loses: []string{"AWSCURRENT in eu-west-1"}}},
		"a replica's previous version":                         {in(secret(otherKey, otherKey), previously(off)), guard.Affected{Fate: guard.FateVersionStops, Labels: []string{"AWSPREVIOUS in eu-west-1"}}},
		"a replica's previous version, beside an older copy":   {in(secret(off, off, otherKey), previously(off)), guard.Affected{Fate: guard.FateOlderCopy, Opens: briefKey(otherKey), Labels: []string{"AWSPREVIOUS in eu-west-1"}}},
		"a replica, beside a version never re-encrypted":       {in(secret(off, otherKey), replicaIn("eu-west-1", off)), guard.Affected{Fate: guard.FateOtherKey, Regions: []string{"eu-west-1"}}},
		"a replica's previous version opens with another, too": {in(secret(otherKey, otherKey), previously(off, otherKey)), guard.Affected{Fate: guard.FateLosesKey, Opens: briefKey(otherKey), Loses: []string{"AWSPREVIOUS in eu-west-1"}}},
		"an older copy's key is being created":                 {secret(off, off, creating), guard.Affected{Fate: guard.FateUnreadKey, Others: briefly(creating)}},
		"an older copy's key is in a state of next year":       {secret(off, off, nextYear, disabled), guard.Affected{Fate: guard.FateUnreadKey, Others: briefly(nextYear)}},
		"an older copy's key is being updated, and opens":      {secret(off, off, inState(otherKey, guard.KeyUpdating)), guard.Affected{Fate: guard.FateOlderCopy, Opens: briefKey(inState(otherKey, guard.KeyUpdating))}},
		"an older copy's key waits for its replicas":           {secret(off, off, inState(otherKey, guard.KeyPendingReplicaDeletion)), guard.Affected{Fate: guard.FateEveryCopy, Others: briefly(inState(otherKey, guard.KeyPendingReplicaDeletion))}},
		"an older copy's key store is away":                    {secret(off, off, inState(otherKey, guard.KeyUnavailable)), guard.Affected{Fate: guard.FateEveryCopy, Others: briefly(inState(otherKey, guard.KeyUnavailable))}},
		"an older copy's key could not be read":                {secret(off, off, unread), guard.Affected{Fate: guard.FateUnreadKey, Others: briefly(unread)}},
		"its previous version may open":                        {having(secret(off, off), version("v0", "AWSPREVIOUS", off, creating)), guard.Affected{Fate: guard.FateCurrentStops, Unsure: []string{"AWSPREVIOUS"}, Others: briefly(creating)}},
		"its previous version lists no key":                    {having(secret(off, off), version("v0", "AWSPREVIOUS")), guard.Affected{Fate: guard.FateCurrentStops, Unsure: []string{"AWSPREVIOUS"}}},
		"only its previous version may stop":                   {having(secret(otherKey, otherKey), version("v0", "AWSPREVIOUS", off, nextYear)), guard.Affected{Fate: guard.FateUnreadKey, Unsure: []string{"AWSPREVIOUS"}, Others: briefly(nextYear)}},
		"one version stops and another may":                    {having(secret(otherKey, otherKey), version("v0", "AWSPREVIOUS", off), version("v9", "mine", off, creating)), guard.Affected{Fate: guard.FateVersionStops, Labels: []string{"AWSPREVIOUS"}, Unsure: []string{"mine"}, Others: briefly(creating)}},
		"a replica's current version may stop":                 {in(secret(otherKey, otherKey), replicaIn("eu-west-1", otherKey, off, creating)), guard.Affected{Fate: guard.FateUnreadKey, Unsure: []string{"AWSCURRENT in eu-west-1"}, Others: briefly(creating)}},
		"it is closed by another key, its previous version stops, and a replica opens": {in(having(secret(disabled, disabled), version("v0", "AWSPREVIOUS", off)), replicaIn("eu-west-1", centralKey)),
			guard.Affected{Fate: guard.FateReplica, Opens: briefKey(centralKey), Apart: briefly(disabled), Stopping: []string{"AWSPREVIOUS"}, Regions: []string{"eu-west-1"}}},
		"it is closed by another key, and its replica stops": {in(secret(disabled, disabled), stopping()),
			guard.Affected{Fate: guard.FateEveryCopy, Apart: briefly(disabled), Stopping: []string{"AWSCURRENT in eu-west-1"}}},
		"it is closed by another key, and its previous version and one of its owner stop": {
			having(secret(disabled, disabled), version("v0", "AWSPREVIOUS", off), version("v2", "green", off)),
			guard.Affected{Fate: guard.FateEveryCopy, Apart: briefly(disabled), Stopping: []string{"AWSPREVIOUS", "green"}}},
		"nobody knows whether its current version opens, and its previous one stops": {
			having(secret(off, off, unread), version("v0", "AWSPREVIOUS", off)),
			guard.Affected{Fate: guard.FateUnreadKey, Others: briefly(unread), Stopping: []string{"AWSPREVIOUS"}}},
		"it has no current version, and one of its owner stops": {
			with(secret(off), func(s *guard.Secret) { s.Versions = []guard.Version{version("v2", "green", off)} }),
			guard.Affected{Fate: guard.FateNoValue, Stopping: []string{"green"}}},
		"an older copy's key ends by itself":                          {secret(off, off, ends(soon)), guard.Affected{Fate: guard.FateOlderCopy, Opens: expiring(briefKey(otherKey), soon), Ends: []guard.End{{At: soon, Key: otherKey.ARN}}}},
		"one of two that end, the later":                              {secret(off, off, ends(soon), expiring(centralKey, later)), guard.Affected{Fate: guard.FateOlderCopy, Opened: []guard.Opened{{Keys: []guard.Key{expiring(briefKey(otherKey), soon), expiring(briefKey(centralKey), later)}}}, Ends: []guard.End{{At: later, Key: centralKey.ARN}}}},
		"one that ends, and one that stays":                           {secret(off, off, ends(soon), centralKey), guard.Affected{Fate: guard.FateOlderCopy, Opened: []guard.Opened{{Keys: []guard.Key{expiring(briefKey(otherKey), soon), briefKey(centralKey)}}}}},
		"one that ends, and one not read":                             {secret(off, off, ends(soon), guard.Key{ARN: centralKey.ARN}), guard.Affected{Fate: guard.FateOlderCopy, Opens: expiring(briefKey(otherKey), soon), Ends: []guard.End{{At: soon, Key: otherKey.ARN, More: true}}}},
		"its own key ends by itself":                                  {secret(ends(soon), off, ends(soon)), guard.Affected{Fate: guard.FateOwnKey, Opens: expiring(briefKey(otherKey), soon), Ends: []guard.End{{At: soon, Key: otherKey.ARN}}}},
		"the key of its current version ends, and its previous stops": {having(secret(ends(soon), ends(soon)), version("v0", "AWSPREVIOUS", off)), guard.Affected{Fate: guard.FateVersionStops, Labels: []string{"AWSPREVIOUS"}, Ends: []guard.End{{At: soon, Key: otherKey.ARN, Lost: true}}}},
		"versions that open end on two days": {having(secret(off, off), version("v0", "blue", expiring(centralKey, later)), version("v1", "", expiring(centralKey, later)), version("v2", "", ends(soon))),
			guard.Affected{Fate: guard.FateOtherVersion, Opened: []guard.Opened{{What: []string{"blue", noLabel}, Keys: []guard.Key{expiring(briefKey(centralKey), later)}}, {What: []string{noLabel}, Keys: []guard.Key{expiring(briefKey(otherKey), soon)}}}, Labels: []string{"blue", noLabel}, Ends: []guard.End{{What: "blue", At: later, Key: centralKey.ARN, Lost: true}, {What: noLabel, At: soon, Key: otherKey.ARN, Lost: true}}}},
		"a replica that opens ends":                     {in(secret(off, off), replicaIn("eu-west-1", ends(soon))), guard.Affected{Fate: guard.FateReplica, Opens: expiring(briefKey(otherKey), soon), Regions: []string{"eu-west-1"}, Ends: []guard.End{{What: "AWSCURRENT in eu-west-1", At: soon, Key: otherKey.ARN, Lost: true}}}},
		"a replica, too, is closed by a key of its own": {in(secret(off, off), replicaIn("eu-west-1", disabled)), guard.Affected{Fate: guard.FateEveryCopy, Others: briefly(disabled)}},
		"a replica that is closed by a key of its own":  {in(secret(otherKey, otherKey), replicaIn("eu-west-1", disabled)), guard.Affected{}},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(c.want, fate(t, off, c.secret)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What is listed as unread is unknown, though all that is recorded of it could be read.
func TestASecretOfWhichAReplicaIsUnreadMayBeUnderTheKey(t *testing.T) {
	held := guard.HeldOf(secret(otherKey, otherKey), guard.Held{}, time.Time{})
	entry := guard.Entry{Secret: arn, Account: "111122223333", Region: "us-east-1", Name: "shop/db", Held: held}
	radius := guard.BlastRecorded(ownKey, time.Time{}, nil, []guard.Entry{entry}, func(string) guard.Key { return otherKey }, neverSwept)
	if len(radius.Unknown) != 1 || radius.Unknown[0].Fate != guard.FateUnreadCopies {
		t.Errorf("%+v", radius)
	}
}

func TestEachKeyOfTheCopiesIsListedATimeEach(t *testing.T) {
	held := guard.Held{Key: "b", Versions: []guard.HeldVersion{{Keys: []string{"c", "a"}}}, Elsewhere: []guard.HeldCopy{{Key: ""}, {Key: "a", Versions: []guard.HeldVersion{{Keys: []string{"d"}}}}}}
	if diff := cmp.Diff([]string{"a", "b", "c", "d"}, held.Keys()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A secret with as many versions as other copies is not one of which nothing is held.
func TestWhatIsHeldLeadsToTheSecret(t *testing.T) {
	rec := guard.Record{Resource: arn, Region: "us-east-1", Held: guard.Held{
		Versions:  []guard.HeldVersion{{Stages: []string{"AWSCURRENT"}, Keys: []string{"k"}}},
		Elsewhere: []guard.HeldCopy{{Kind: guard.LocationReplica, Region: "eu-west-1", Key: "r", Listing: guard.Listed}}}}
	for _, want := range []guard.EntryRef{guard.KeyEntry("k"), guard.KeyEntry("r"), guard.UnreadEntry("us-east-1")} {
		if _, found := rec.Entries()[want]; !found {
			t.Errorf("nothing leads to it by %v: %v", want, rec.Entries())
		}
	}
}

// An entry has the state for which the finding says that a key cannot be used: that of the key, of the copy that fails.
func TestAnEntryHasTheStateForWhichItsKeyCannotBeUsed(t *testing.T) {
	off := inState(otherKey, guard.KeyDisabled)
	for sentence, c := range map[string]struct {
		secret guard.Secret
		want   map[string]guard.KeyState
	}{
		"its own key":      {secret(off, off), map[string]guard.KeyState{off.ARN: guard.KeyDisabled}},
		"a version's key":  {secret(ownKey, off), map[string]guard.KeyState{ownKey.ARN: "", off.ARN: guard.KeyDisabled}},
		"of several keys":  {secret(ownKey, inState(centralKey, guard.KeyPendingDeletion), off), map[string]guard.KeyState{ownKey.ARN: "", centralKey.ARN: guard.KeyPendingDeletion, off.ARN: guard.KeyDisabled}},
		"a key that works": {secret(ownKey, ownKey), map[string]guard.KeyState{ownKey.ARN: ""}},
	} {
		got := map[string]guard.KeyState{}
		for ref, entry := range look(guard.Record{}, c.secret, guard.ModeNotify, now).Entries() {
			if ref.Kind == guard.ByKey {
				got[ref.ID] = entry.KeyState
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sentence, diff)
		}
	}
}

func TestAKeyIsOneWhateverTheCaseOfItsName(t *testing.T) {
	upper := guard.Key{ARN: "arn:aws:kms:us-east-1:111122223333:key/1234ABCD-12AB-34CD-56EF-1234567890AB"}
	if !upper.Same(ownKey) || upper.Same(otherKey) || (guard.Key{}).Same(guard.Key{}) {
		t.Error("keys are told apart by the case of their names, or not at all")
	}
	if got := ownKey.Identity() + " " + awsKey.Identity(); got != ownKey.ARN+" "+guard.DefaultKeyID {
		t.Errorf("their identities are %s", got)
	}
}

// What is said names each version that stops or may, and the state of the key that leaves it open.
func TestAFateNamesTheStateThatDecides(t *testing.T) {
	creating := briefKey(inState(otherKey, guard.KeyCreating))
	ends := time.Date(2026, 9, 3, 8, 0, 0, 0, time.UTC)
	for want, a := range map[string]guard.Affected{
		"another copy is under a key of which nobody knows whether it opens: " + otherKey.ARN + " is in state Creating": {Fate: guard.FateUnreadKey, Others: []guard.Key{creating}},
		"another copy is under a key of which nobody knows whether it opens: its state could not be read":               {Fate: guard.FateUnreadKey},
		"another copy is under a key of which nobody knows whether it opens: the state of k could not be read":          {Fate: guard.FateUnreadKey, Others: []guard.Key{{ID: "k"}}},
		"whether AWSPREVIOUS still opens is not known: its keys could not be read":                                      {Fate: guard.FateUnreadKey, Unsure: []string{"AWSPREVIOUS"}},
		"whether AWSPREVIOUS still opens is not known: " + otherKey.ARN + " is in state Creating":                       {Fate: guard.FateUnreadKey, Unsure: []string{"AWSPREVIOUS"}, Others: []guard.Key{creating}},
		"mine stops; its current version is under another key; whether AWSPREVIOUS still opens is not known: " + otherKey.ARN + " is in state Creating": {
			Fate: guard.FateVersionStops, Labels: []string{"mine"}, Unsure: []string{"AWSPREVIOUS"}, Others: []guard.Key{creating}},
		"mine stops; it stops in eu-west-1; its current version is under another key": {
			Fate: guard.FateVersionStops, Labels: []string{"mine"}, Regions: []string{"eu-west-1"}},
		"it stops in eu-west-2; it stops in eu-west-1, unless another copy there still opens, which could not be read; its primary is under another key": {
			Fate: guard.FateReplicaStops, Regions: []string{"eu-west-2"}, Unread: []string{"eu-west-1"}},
		"what is in eu-west-1 still opens, and the next version does not come there: it names this key there; its primary is under another key": {
			Fate: guard.FateReplicaNext, Next: []string{"eu-west-1"}},
		"its current version stops; AWSPREVIOUS, blue still opens with the AWS managed key or " + otherKey.ARN + "; mine still opens with k": {
			Fate: guard.FateOtherVersion, Labels: []string{"AWSPREVIOUS", "blue", "mine"}, Opened: []guard.Opened{
				{What: []string{"AWSPREVIOUS", "blue"}, Keys: []guard.Key{awsKey, briefKey(otherKey)}}, {What: []string{"mine"}, Keys: []guard.Key{{ARN: "k"}}}}},
		"it stops in eu-west-1; its primary is under another key; green, blue still opens with the AWS managed key; mine still opens with k; mine opens until 2026-09-03 08:00 UTC, when the imported material of k expires": {
			Fate: guard.FateReplicaStops, Regions: []string{"eu-west-1"}, Ends: []guard.End{{What: "mine", At: ends, Key: "k"}},
			Outlives: []guard.Opened{{What: []string{"green", "blue"}, Keys: []guard.Key{awsKey}}, {What: []string{"mine"}, Keys: []guard.Key{{ARN: "k"}}}}},
		"its current version stops; blue still opens with k; whether its current version opens in eu-west-1, eu-west-2 could not be read": {
			Fate: guard.FateOtherVersion, Labels: []string{"blue"}, Opens: guard.Key{ARN: "k"}, Unread: []string{"eu-west-1", "eu-west-2"}},
		"stops in ; what is in eu-west-1, blue still opens with the AWS managed key": {
			Fate: guard.FateReplica, Regions: []string{"eu-west-1"}, Labels: []string{"blue"}, Opens: awsKey},
		"its current version stops; whether blue still opens is not known: " + otherKey.ARN + " is in state Creating": {
			Fate: guard.FateCurrentStops, Unsure: []string{"blue"}, Others: []guard.Key{creating}},
		"another copy still opens with " + otherKey.ARN + "; it opens until 2026-09-03 08:00 UTC, when the imported material of " + otherKey.ARN + " expires": {
			Fate: guard.FateOlderCopy, Opens: briefKey(otherKey), Ends: []guard.End{{At: ends, Key: otherKey.ARN}}},
		"its current version stops; blue still opens with k; blue opens at least until 2026-09-03 08:00 UTC, when the imported material of k expires": {
			Fate: guard.FateOtherVersion, Opens: guard.Key{ARN: "k"}, Labels: []string{"blue"}, Ends: []guard.End{{What: "blue", At: ends, Key: "k", More: true}}},
		"another copy still opens with k; it opens until 2026-09-03 08:00 UTC, when the imported material of k expires, and then only that material, imported again, brings it back": {
			Fate: guard.FateOlderCopy, Opens: guard.Key{ARN: "k"}, Ends: []guard.End{{At: ends, Key: "k", Lost: true}}},
		"AWSPREVIOUS, mine loses one of its keys; AWSPREVIOUS still opens with k; mine still opens with the AWS managed key": {
			Fate: guard.FateLosesKey, Loses: []string{"AWSPREVIOUS", "mine"}, Opened: []guard.Opened{{What: []string{"AWSPREVIOUS"}, Keys: []guard.Key{{ARN: "k"}}}, {What: []string{"mine"}, Keys: []guard.Key{awsKey}}}},
		"the current version is not under this key, and does not open anyhow: k is in state Disabled": {
			Fate: guard.FateEveryCopy, Apart: []guard.Key{{ARN: "k", State: guard.KeyDisabled}}},
		"the current version is not under this key, and does not open anyhow: k is in state Disabled; AWSCURRENT in eu-west-1, green stops by this key": {
			Fate: guard.FateEveryCopy, Apart: []guard.Key{{ARN: "k", State: guard.KeyDisabled}}, Stopping: []string{"AWSCURRENT in eu-west-1", "green"}},
		"its current version stops; blue still opens with k; its current version is not under this key, and does not open anyhow: j is in state Disabled": {
			Fate: guard.FateOtherVersion, Labels: []string{"blue"}, Opens: guard.Key{ARN: "k"}, Apart: []guard.Key{{ARN: "j", State: guard.KeyDisabled}}},
		"another copy is under a key of which nobody knows whether it opens: the state of j was not asked for: there are too many other keys": {
			Fate: guard.FateUnreadKey, Others: []guard.Key{{ARN: "j", NotAsked: true}}},
		"was not looked at for this; as of 2026-09-03T08:00:00Z: the current version opens with another key than this, which it names": {
			Fate: guard.FateOtherKey, Seen: ends},
		"another copy still opens with the AWS managed key; AWSPREVIOUS in eu-west-1 stops": {
			Fate: guard.FateOlderCopy, Opens: awsKey, Labels: []string{"AWSPREVIOUS in eu-west-1"}},
	} {
		if got := a.Describe(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for want, s := range map[string]guard.Subject{
		"its key " + otherKey.ARN + " is in state Creating, of which it is not known whether it opens anything": {Key: creating, Blind: &guard.BlindSpot{Part: guard.PartKey, Cause: guard.CauseState}},
		"whether AWSCURRENT (version v1) opens is not known: " + otherKey.ARN + " is in state Creating": {
			Versions: []guard.Version{version("v1", "AWSCURRENT", briefKey(inState(ownKey, guard.KeyDisabled)), creating)}, Blind: &guard.BlindSpot{Part: guard.PartVersionKeys, Cause: guard.CauseState}},
		"the key of its replica in eu-west-1 " + otherKey.ARN + " is in state Creating, of which it is not known whether it opens anything": {
			Replicas: []guard.Replica{{Region: "eu-west-1", Key: creating}}, Blind: &guard.BlindSpot{Part: guard.PartReplicaKey, Cause: guard.CauseState}},
	} {
		if got := guard.Describe(guard.SecretKeyUnusable, guard.Unknown, s); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
