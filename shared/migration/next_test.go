package migration_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/window"
)

func job(phase migration.Phase) migration.Job {
	return migration.Job{Secret: arn("db"), Name: "db", Account: shop, Region: region, Plan: "plan", Phase: phase, Wave: migration.Development,
		Target: cmk("new", region).ARN, Seal: migration.SealOwner, RekeyedAt: now.Add(-48 * time.Hour),
		Readers: []migration.Known{{Principal: role("app"), Seen: true, ReadAt: now.Add(-time.Hour)}}}
}

func TestNext(t *testing.T) {
	key := cmk("new", region)
	dual := secret("db", key, managed())
	sealed := secret("db", key)
	half := sealed
	half.Versions = []guard.Version{{ID: "v2", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{key}},
		{ID: "v1", Stages: []string{"AWSPREVIOUS"}, Keys: []guard.Key{key, managed()}}}
	silent := dual
	silent.Versions = []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{managed()}}}
	kept := sealed // a version under a label of the owner's own, which no re-key takes along
	kept.Versions = []guard.Version{{ID: "v2", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{key}}, {ID: "v0", Stages: []string{"last-year"}, Keys: []guard.Key{managed()}}}
	unlisted := dual
	unlisted.Versions = []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}}}
	unread := dual
	unread.Versions, unread.VersionsUnread = nil, true
	third := secret("db", cmk("theirs", region))
	set := migration.Defaults()
	proveBy := func(in time.Duration) func(*migration.Job) {
		return func(j *migration.Job) { j.ProveBy = now.Add(in) }
	}
	rekeying := func(tries int) func(*migration.Job) {
		return func(j *migration.Job) {
			j.Pending = &migration.Pending{Action: migration.DoRekey, At: now, Tries: tries}
		}
	}
	for name, tt := range map[string]struct {
		phase  migration.Phase
		job    func(*migration.Job)
		secret guard.Secret
		seen   func(*migration.Seen)
		set    func(*migration.Rules)
		want   migration.Action
		to     migration.Phase
		reason string
	}{
		"planned: readers are asked for first":                         {phase: migration.Planned, secret: secret("db", managed()), want: migration.DoCheck},
		"planned: then the key is set":                                 {phase: migration.Planned, secret: secret("db", managed()), seen: checked(), want: migration.DoRekey},
		"planned: a reader that loses blocks":                          {phase: migration.Planned, secret: secret("db", managed()), seen: checked("app would lose access"), want: migration.DoMove, to: migration.Blocked, reason: "app would lose"},
		"planned: while it is not known who used it, it waits":         {phase: migration.Planned, secret: secret("db", managed()), seen: notRead, want: migration.DoWait, reason: "is not known"},
		"planned: not within ten minutes of a change":                  {phase: migration.Planned, secret: secret("db", managed()), seen: checked(), job: func(j *migration.Job) { j.LastChangeAt = now.Add(-time.Minute) }, want: migration.DoWait},
		"planned: not outside a change window":                         {phase: migration.Planned, secret: secret("db", managed()), seen: checked(), set: windows("22:00-04:00"), want: migration.DoWait},
		"planned: under the key already":                               {phase: migration.Planned, secret: dual, seen: checked(), want: migration.DoMove, to: migration.Rekeyed},
		"planned: under the key already, which nothing carries":        {phase: migration.Planned, secret: silent, seen: checked(), want: migration.DoMove, to: migration.Failed, reason: "kms:Encrypt"},
		"planned: pending deletion":                                    {phase: migration.Planned, secret: func() guard.Secret { s := dual; s.DeletedAt = now; return s }(), want: migration.DoMove, to: migration.Blocked},
		"planned: deleted":                                             {phase: migration.Planned, seen: func(s *migration.Seen) { s.Gone = true }, want: migration.DoMove, to: migration.Failed},
		"begun, and made: proven":                                      {phase: migration.Planned, job: rekeying(0), secret: dual, want: migration.DoMove, to: migration.Rekeyed},
		"begun, and made: what it leaves is named":                     {phase: migration.Planned, job: rekeying(0), secret: kept, want: migration.DoMove, to: migration.Rekeyed, reason: "the version under last-year keeps its older key"},
		"begun, and not made: asked again first":                       {phase: migration.Planned, job: rekeying(0), secret: secret("db", managed()), want: migration.DoCheck},
		"begun, and not made: made":                                    {phase: migration.Planned, job: rekeying(0), secret: secret("db", managed()), seen: checked(), want: migration.DoRekey},
		"made, and silently nothing re-encrypted: looked again":        {phase: migration.Planned, job: rekeying(1), secret: silent, want: migration.DoLook},
		"made, and silently nothing re-encrypted: failed":              {phase: migration.Planned, job: rekeying(3), secret: silent, want: migration.DoMove, to: migration.Failed, reason: "kms:Encrypt"},
		"made, and nothing re-encrypted at the third look: failed":     {phase: migration.Planned, job: rekeying(2), secret: silent, want: migration.DoMove, to: migration.Failed, reason: "kms:Encrypt"},
		"made, and AWS lists no keys: looked again":                    {phase: migration.Planned, job: rekeying(1), secret: unlisted, want: migration.DoLook},
		"made, and AWS lists no keys: not proven, and not failed":      {phase: migration.Planned, job: rekeying(3), secret: unlisted, want: migration.DoMove, to: migration.Unproven, reason: "AWS lists none"},
		"made, and its versions may not be listed: not failed":         {phase: migration.Planned, job: rekeying(3), secret: unread, want: migration.DoMove, to: migration.Unproven, reason: "could not be read"},
		"planned: under the key already, and AWS lists no keys":        {phase: migration.Planned, secret: unlisted, seen: checked(), want: migration.DoMove, to: migration.Unproven},
		"unproven: waits with a clock":                                 {phase: migration.Unproven, job: proveBy(time.Hour), secret: unlisted, want: migration.DoWait, reason: "looked at again by every sweep"},
		"unproven: proven":                                             {phase: migration.Unproven, job: proveBy(time.Hour), secret: dual, want: migration.DoMove, to: migration.Rekeyed},
		"unproven: seen to have failed":                                {phase: migration.Unproven, job: proveBy(time.Hour), secret: silent, want: migration.DoMove, to: migration.Failed, reason: "kms:Encrypt"},
		"unproven: somebody moved it back":                             {phase: migration.Unproven, job: proveBy(time.Hour), secret: secret("db", managed()), want: migration.DoMove, to: migration.Planned},
		"unproven: handed to its owner in time":                        {phase: migration.Unproven, job: proveBy(-time.Hour), secret: unlisted, want: migration.DoHand},
		"unproven: handed over, it does not rest":                      {phase: migration.Unproven, job: func(j *migration.Job) { j.HandedAt = now }, secret: unlisted, want: migration.DoWait, reason: "handed to its owner on 2026-11-21"},
		"unproven: handed over, and proven at last":                    {phase: migration.Unproven, job: func(j *migration.Job) { j.HandedAt = now }, secret: dual, want: migration.DoMove, to: migration.Rekeyed},
		"the hub's own, planned: the hub decides first":                {phase: migration.Planned, job: ofHub, secret: secret("db", managed()), want: migration.DoWait, reason: "decides"},
		"the hub's own, planned: then readers are asked for":           {phase: migration.Planned, job: ofHub, secret: secret("db", managed()), seen: ordered, want: migration.DoCheck},
		"the hub's own, begun and not made: decided again":             {phase: migration.Planned, job: func(j *migration.Job) { ofHub(j); rekeying(0)(j) }, secret: secret("db", managed()), want: migration.DoMove, to: migration.Planned},
		"the hub's own, begun and made: proven, whoever comes by":      {phase: migration.Planned, job: func(j *migration.Job) { ofHub(j); rekeying(0)(j) }, secret: dual, want: migration.DoMove, to: migration.Rekeyed},
		"rekeyed: observes":                                            {phase: migration.Rekeyed, secret: dual, want: migration.DoMove, to: migration.Observing},
		"observing: not long enough":                                   {phase: migration.Observing, job: func(j *migration.Job) { j.RekeyedAt = now.Add(-time.Hour) }, secret: dual, want: migration.DoWait},
		"observing: a reader was not seen":                             {phase: migration.Observing, job: func(j *migration.Job) { j.Readers[0].ReadAt = time.Time{} }, secret: dual, want: migration.DoWait, reason: role("app")},
		"observing: a reader that was only allowed is not asked":       {phase: migration.Observing, job: func(j *migration.Job) { j.Readers[0] = migration.Known{Principal: role("x")} }, secret: dual, want: migration.DoMove, to: migration.Sealing},
		"observing: the owner says go":                                 {phase: migration.Observing, job: func(j *migration.Job) { j.Readers[0].ReadAt = time.Time{}; j.GoAhead = "alice" }, secret: dual, want: migration.DoMove, to: migration.Sealing},
		"observing: the owner says go, and nobody was waited for":      {phase: migration.Observing, job: func(j *migration.Job) { j.GoAhead = "alice" }, secret: dual, want: migration.DoMove, to: migration.Sealing, reason: "every known reader has read"},
		"observing: nobody's word shortens its hours":                  {phase: migration.Observing, job: func(j *migration.Job) { j.RekeyedAt = now.Add(-24 * time.Minute); j.GoAhead = "alice" }, secret: dual, want: migration.DoWait, reason: "observing its readers"},
		"observing: over":                                              {phase: migration.Observing, secret: dual, want: migration.DoMove, to: migration.Sealing},
		"moved back once: again":                                       {phase: migration.Observing, secret: secret("db", managed()), want: migration.DoMove, to: migration.Planned},
		"moved back twice: left alone":                                 {phase: migration.Observing, job: func(j *migration.Job) { j.Flips = []migration.Flip{{At: now}}; j.Tool = "terraform" }, secret: secret("db", managed()), want: migration.DoMove, to: migration.Blocked, reason: "moved back 2 times: terraform undoes"},
		"moved back after the seal":                                    {phase: migration.Sealed, secret: secret("db", managed()), want: migration.DoMove, to: migration.Planned},
		"sealing: the owner is asked":                                  {phase: migration.Sealing, secret: dual, seen: checked(), want: migration.DoAsk},
		"planned: under the key already, but with a reader that loses": {phase: migration.Planned, secret: dual, seen: checked("app would lose access"), want: migration.DoMove, to: migration.Blocked},
		"sealing: readers are asked for again first":                   {phase: migration.Sealing, secret: dual, want: migration.DoCheck},
		"sealing: a reader that would lose by now blocks":              {phase: migration.Sealing, secret: dual, seen: checked("app would lose access"), want: migration.DoMove, to: migration.Blocked, reason: "app would lose"},
		"sealing: a copy whose readers would lose stays":               {phase: migration.Sealing, job: copies, secret: with(sealed, guard.Replica{Region: other, Key: managed(), Status: "InSync"}), seen: checked("x would lose access"), want: migration.DoMove, to: migration.Blocked},
		"sealing: KMS refuses the new key to a reader":                 {phase: migration.Sealing, job: keyRefused, secret: dual, seen: checked(), want: migration.DoWait, reason: "KMS refuses the new key to " + role("app")},
		"sealing: KMS refuses it, and the owner says go":               {phase: migration.Sealing, job: func(j *migration.Job) { keyRefused(j); j.GoAhead = "alice" }, secret: dual, seen: checked(), want: migration.DoAsk},
		"sealing: KMS refuses it, and a new version is there":          {phase: migration.Sealing, job: keyRefused, secret: half, want: migration.DoMove, to: migration.Sealing, reason: "AWSPREVIOUS still opens"},
		"sealing: KMS refuses it, and new versions are there":          {phase: migration.Sealing, job: keyRefused, secret: sealed, want: migration.DoMove, to: migration.Sealing, reason: "new versions are there"},
		"sealing: once":                        {phase: migration.Sealing, job: func(j *migration.Job) { j.AskedAt = now }, secret: dual, want: migration.DoWait},
		"sealing: rotation where there is one": {phase: migration.Sealing, job: func(j *migration.Job) { j.Seal = migration.SealRotate }, secret: dual, seen: checked(), want: migration.DoRotate},
		"sealing: a rotation takes time": {phase: migration.Sealing, job: func(j *migration.Job) {
			j.Seal = migration.SealRotate
			j.Pending = &migration.Pending{Action: migration.DoRotate, At: now}
		}, secret: dual, want: migration.DoWait},
		"sealing: the first new version":                       {phase: migration.Sealing, secret: half, want: migration.DoMove, to: migration.Sealing, reason: "AWSPREVIOUS still opens"},
		"sealing: under a key that nobody may describe":        {phase: migration.Sealing, secret: secret("db", key, guard.Key{ARN: cmk("theirs", region).ARN}), seen: checked(), want: migration.DoAsk},
		"sealing: under a key that AWS does not name":          {phase: migration.Sealing, secret: secret("db", key, guard.Key{ID: "alias/theirs"}), want: migration.DoWait, reason: "could not be read"},
		"sealing: AWSPREVIOUS is left":                         {phase: migration.Sealing, job: func(j *migration.Job) { j.FirstNewAt = now }, secret: half, want: migration.DoWait, reason: "AWSCURRENT is sealed; AWSPREVIOUS still opens"},
		"sealing: what a copy opens with is not the primary's": {phase: migration.Sealing, job: func(j *migration.Job) { j.FirstNewAt = now }, secret: with(half, guard.Replica{Region: other, Key: cmk("far", other), Status: "InSync"}), want: migration.DoWait, reason: "AWSCURRENT is sealed; AWSPREVIOUS still opens"},
		"sealing: nor is one that nobody asks for by a label": {phase: migration.Sealing, job: func(j *migration.Job) { j.FirstNewAt = now }, secret: func() guard.Secret {
			s := half
			s.Versions = append(slices.Clone(s.Versions), guard.Version{ID: "v0", Keys: []guard.Key{managed()}})
			return s
		}(), want: migration.DoWait, reason: "AWSCURRENT is sealed; AWSPREVIOUS still opens"},
		"sealing: not rotated twice unless that is wanted":        {phase: migration.Sealing, job: func(j *migration.Job) { j.FirstNewAt = now; j.Seal = migration.SealRotate }, secret: half, want: migration.DoWait},
		"sealing: what its owner writes is not rotated":           {phase: migration.Sealing, job: func(j *migration.Job) { j.FirstNewAt = now }, set: func(s *migration.Rules) { s.RotateTwice = true }, secret: half, want: migration.DoWait},
		"sealing: rotated twice where that is wanted":             {phase: migration.Sealing, job: func(j *migration.Job) { j.FirstNewAt = now; j.Seal = migration.SealRotate }, set: func(s *migration.Rules) { s.RotateTwice = true }, secret: half, want: migration.DoRotate},
		"sealing: a label of the owner's own is left":             {phase: migration.Sealing, job: func(j *migration.Job) { j.FirstNewAt = now }, secret: kept, want: migration.DoWait, reason: "its owner writes it again under last-year"},
		"sealing: no rotation reaches a label of the owner's own": {phase: migration.Sealing, job: func(j *migration.Job) { j.FirstNewAt = now; j.Seal = migration.SealRotate }, set: func(s *migration.Rules) { s.RotateTwice = true }, secret: kept, want: migration.DoWait, reason: "under last-year"},
		"sealing: done": {phase: migration.Sealing, job: func(j *migration.Job) { j.FirstNewAt = now }, secret: sealed, want: migration.DoMove, to: migration.Sealed},
		"sealing: a copy under another key gets its own where it is":  {phase: migration.Sealing, job: copies, secret: with(sealed, there), seen: checked(), want: migration.DoRekeyReplica, to: migration.Sealing},
		"sealing: it gets it before the version that seals it":        {phase: migration.Sealing, job: copies, secret: with(dual, there), seen: checked(), want: migration.DoRekeyReplica, to: migration.Sealing},
		"sealing: a copy whose key AWS refused to change goes":        {phase: migration.Sealing, job: func(j *migration.Job) { copies(j); j.Copies[0].Refused = now }, secret: with(sealed, there), seen: checked(), want: migration.DoRemoveReplica, to: migration.Sealing},
		"sealing: it goes when the primary is sealed":                 {phase: migration.Sealing, job: func(j *migration.Job) { copies(j); j.Copies[0].Refused = now }, secret: with(dual, there), seen: checked(), want: migration.DoAsk},
		"sealing: a copy that got its key still opens with the older": {phase: migration.Sealing, job: rekeyedThere, secret: with(sealed, moving("AWSCURRENT")), seen: checked(), want: migration.DoAsk},
		"sealing: of a copy AWSPREVIOUS is left":                      {phase: migration.Sealing, job: rekeyedThere, secret: with(sealed, moving("AWSPREVIOUS")), want: migration.DoWait, reason: "AWSPREVIOUS still opens"},
		"sealing: of a copy a label is left besides": {phase: migration.Sealing, job: rekeyedThere, secret: func() guard.Secret {
			r := moving("AWSPREVIOUS")
			r.Versions = append(r.Versions, guard.Version{ID: "v0", Stages: []string{"last-year"}, Keys: []guard.Key{cmk("was", other)}})
			return with(sealed, r)
		}(), want: migration.DoWait, reason: "AWSPREVIOUS still opens"},
		"sealing: a second copy gets its key where the first has it": {phase: migration.Sealing, job: func(j *migration.Job) {
			twoCopies(j)
			j.Copies[0].Done, j.Copies[1].Removed = now, time.Time{}
		}, secret: func() guard.Secret {
			s := with(sealed, copied(sealed.Versions, cmk("far", other).ARN))
			s.Replicas = append(s.Replicas, guard.Replica{Region: "us-east-1", Key: managed(), Status: "InSync"})
			return s
		}(), seen: checked(), want: migration.DoRekeyReplica, to: migration.Sealing, reason: "us-east-1"},
		"sealing: of a copy that got its key nobody knows":           {phase: migration.Sealing, job: rekeyedThere, secret: with(sealed, guard.Replica{Region: other, Key: cmk("far", other), Status: "InSync"}), want: migration.DoWait, reason: "in eu-west-1 could not be read"},
		"sealing: a copy that the job leaves alone holds nothing up": {phase: migration.Sealing, job: func(j *migration.Job) { j.FirstNewAt = now }, secret: with(sealed, moving("AWSPREVIOUS")), want: migration.DoMove, to: migration.Sealed},
		"sealing: nor one that was not moved, beside one that was": {phase: migration.Sealing, job: func(j *migration.Job) {
			rekeyedThere(j)
			j.Copies[0].Region = "us-east-1"
		}, secret: func() guard.Secret {
			s := with(sealed, moving("AWSPREVIOUS"))
			s.Replicas = append(s.Replicas, copied(sealed.Versions, cmk("far", other).ARN))
			s.Replicas[1].Region = "us-east-1"
			return s
		}(), want: migration.DoMove, to: migration.Sealed},
		"sealing: under a key that could not be looked at":             {phase: migration.Sealing, secret: secret("db", guard.Key{ARN: key.ARN}), seen: checked(), want: migration.DoWait, reason: "its versions could not be read"},
		"sealing: a copy that got its key is sealed":                   {phase: migration.Sealing, job: rekeyedThere, secret: with(sealed, copied(sealed.Versions, cmk("far", other).ARN)), want: migration.DoMove, to: migration.Sealed},
		"sealing: a copy that is away comes":                           {phase: migration.Sealing, job: func(j *migration.Job) { copies(j); j.Copies[0].Removed = now }, secret: sealed, want: migration.DoAddReplica, to: migration.Sealing},
		"sealing: a copy that its owner took away stays away":          {phase: migration.Sealing, job: copies, secret: sealed, want: migration.DoMove, to: migration.Sealed},
		"sealing: a copy that is coming":                               {phase: migration.Sealing, job: copies, secret: with(sealed, guard.Replica{Region: other, Key: cmk("far", other), Status: "InProgress"}), want: migration.DoWait},
		"sealing: a copy that was made again and failed is made again": {phase: migration.Sealing, job: func(j *migration.Job) { copies(j); j.Copies[0].Removed = now }, secret: with(sealed, guard.Replica{Region: other, Key: cmk("far", other), Status: "Failed"}), want: migration.DoRemoveReplica, to: migration.Sealing},
		"sealing: not at once":                                         {phase: migration.Sealing, job: func(j *migration.Job) { copies(j); j.Copies[0].Removed, j.LastChangeAt = now, now.Add(30*24*time.Hour) }, secret: with(sealed, guard.Replica{Region: other, Key: cmk("far", other), Status: "Failed"}), want: migration.DoWait, reason: "is Failed"},
		"sealing: a copy that failed and is not ours stays":            {phase: migration.Sealing, job: copies, secret: with(sealed, guard.Replica{Region: other, Key: cmk("far", other), Status: "Failed"}), want: migration.DoWait, reason: "is Failed"},
		"sealing: a second copy comes when the first is done":          {phase: migration.Sealing, job: func(j *migration.Job) { twoCopies(j); j.Copies[0].Done = now }, secret: sealed, want: migration.DoAddReplica, to: migration.Sealing, reason: "us-east-1"},
		"sealing: a second copy comes where the first is not wanted":   {phase: migration.Sealing, job: twoCopies, secret: sealed, want: migration.DoAddReplica, to: migration.Sealing, reason: "us-east-1"},
		"sealing: all copies are there":                                {phase: migration.Sealing, job: copies, secret: with(sealed, guard.Replica{Region: other, Key: cmk("far", other), Status: "InSync"}), want: migration.DoMove, to: migration.Sealed},
		"sealed: nothing":                                              {phase: migration.Sealed, secret: sealed, want: migration.DoNothing},
		"blocked: nothing":                                             {phase: migration.Blocked, secret: dual, want: migration.DoNothing},
		"back for a reader: its readers are asked for":                 {phase: migration.RolledBack, job: again, secret: secret("db", managed()), want: migration.DoCheck},
		"back for a reader: it moves again":                            {phase: migration.RolledBack, job: again, secret: secret("db", managed()), seen: checked(), want: migration.DoMove, to: migration.Planned},
		"back for a reader: deleted since":                             {phase: migration.RolledBack, job: again, secret: secret("db", managed()), seen: func(s *migration.Seen) { s.Gone = true }, want: migration.DoNothing},
		"back for a reader: its deletion is scheduled":                 {phase: migration.RolledBack, job: again, secret: func() guard.Secret { s := secret("db", managed()); s.DeletedAt = now; return s }(), want: migration.DoNothing},
		"back for a reader: somebody set the key again":                {phase: migration.RolledBack, job: again, secret: dual, want: migration.DoNothing},
		"halted: no key is set":                                        {phase: migration.Planned, secret: secret("db", managed()), seen: halted, want: migration.DoWait, reason: "wave dev is halted"},
		"halted: nothing is rotated":                                   {phase: migration.Sealing, job: func(j *migration.Job) { j.Seal = migration.SealRotate }, secret: dual, seen: halted, want: migration.DoWait, reason: "wave dev is halted"},
		"halted: no owner is asked":                                    {phase: migration.Sealing, secret: dual, seen: halted, want: migration.DoWait, reason: "wave dev is halted"},
		"halted: no copy gets a key":                                   {phase: migration.Sealing, job: copies, secret: with(sealed, there), seen: halted, want: migration.DoWait, reason: "wave dev is halted"},
		"halted: no copy is taken away":                                {phase: migration.Sealing, job: func(j *migration.Job) { copies(j); j.Copies[0].Refused = now }, secret: with(sealed, there), seen: halted, want: migration.DoWait, reason: "wave dev is halted"},
		"halted: a copy that is away comes":                            {phase: migration.Sealing, job: func(j *migration.Job) { copies(j); j.Copies[0].Removed = now }, secret: sealed, seen: halted, want: migration.DoAddReplica, to: migration.Sealing},
		"a third key: overtaken":                                       {phase: migration.Sealing, job: firstManaged, secret: third, want: migration.DoMove, to: migration.Overtaken},
		"a third key: deleted":                                         {phase: migration.Sealing, job: firstManaged, secret: third, seen: func(s *migration.Seen) { s.Gone = true }, want: migration.DoMove, to: migration.Failed},
		"a third key: its deletion is scheduled":                       {phase: migration.Sealing, job: firstManaged, secret: func() guard.Secret { s := third; s.DeletedAt = now; return s }(), want: migration.DoMove, to: migration.Blocked, reason: "deletion"},
		"a third key: a copy that is away comes":                       {phase: migration.Sealing, job: func(j *migration.Job) { firstManaged(j); j.Copies[0].Removed = now }, secret: third, want: migration.DoAddReplica, to: migration.Sealing},
		"a third key: a copy that is there stays":                      {phase: migration.Sealing, job: func(j *migration.Job) { firstManaged(j); j.Copies[0].Removed = now }, secret: with(third, there), want: migration.DoMove, to: migration.Overtaken},
		"a third key: a copy that came is done":                        {phase: migration.Sealing, job: func(j *migration.Job) { firstManaged(j); j.Copies[0].Removed, j.Copies[0].Done = now, now }, secret: third, want: migration.DoMove, to: migration.Overtaken},
		"stopped between: somebody moved it back":                      {phase: migration.Blocked, job: func(j *migration.Job) { j.Stopped = &migration.Stopped{In: migration.Observing, Since: now} }, secret: secret("db", managed()), want: migration.DoNothing},
		"stopped between: its readers are asked for":                   {phase: migration.Blocked, job: func(j *migration.Job) { j.Stopped = &migration.Stopped{In: migration.Observing, Since: now} }, secret: dual, want: migration.DoCheck},
		"rolled back: nothing":                                         {phase: migration.RolledBack, secret: secret("db", managed()), want: migration.DoNothing},
	} {
		t.Run(name, func(t *testing.T) {
			j, at, s := job(tt.phase), set, migration.Seen{Secret: tt.secret, At: now}
			if tt.job != nil {
				tt.job(&j)
			}
			if tt.seen != nil {
				tt.seen(&s)
			}
			if tt.set != nil {
				tt.set(&at)
			}
			step := migration.Next(j, s, at)
			if step.Action != tt.want || step.Phase != tt.to || !strings.Contains(step.Reason, tt.reason) {
				t.Errorf("%q to %q because %q, want %q to %q because %q", step.Action, step.Phase, step.Reason, tt.want, tt.to, tt.reason)
			}
		})
	}
}

func checked(blocked ...string) func(*migration.Seen) {
	return func(s *migration.Seen) { s.Checked, s.Blocked = true, blocked }
}

// keyRefused has a reader that KMS refused the new key after it had read.
func keyRefused(j *migration.Job) { j.Readers[0].RefusedAt = now }

// again went back by itself, for a reader.
func again(j *migration.Job) {
	j.Before = &migration.Before{At: now.Add(-72 * time.Hour), KeyID: managed().ARN, State: guard.StateDefault}
	j.Again = &migration.Again{For: role("app"), After: now.Add(-time.Minute)}
}

func halted(s *migration.Seen) {
	checked()(s)
	s.Halted = "wave dev is halted"
}

// firstManaged has a copy, and was under the AWS managed key.
func firstManaged(j *migration.Job) {
	copies(j)
	j.Before = &migration.Before{At: now, State: guard.StateDefault}
}

func ofHub(j *migration.Job) { j.Plan = "" }

func ordered(s *migration.Seen) { s.Ordered = true }

func copies(j *migration.Job) {
	j.FirstNewAt = now
	j.Copies = []migration.ReplicaTo{{Region: other, Target: cmk("far", other).ARN}}
}

// there is the copy of copies under the AWS managed key.
var there = guard.Replica{Region: other, Key: managed(), Status: "InSync"}

// rekeyedThere has a copy whose key was set where it is.
func rekeyedThere(j *migration.Job) {
	copies(j)
	j.Copies[0].Moved = now
}

// moving is the copy of rekeyedThere, whose version with a label opens with the older key as well.
func moving(label string) guard.Replica {
	r := copied([]guard.Version{{ID: "v2", Stages: []string{"AWSCURRENT"}}, {ID: "v1", Stages: []string{"AWSPREVIOUS"}}}, cmk("far", other).ARN)
	for i, v := range r.Versions {
		if v.Stages[0] == label {
			r.Versions[i].Keys = append(r.Versions[i].Keys, cmk("was", other))
		}
	}
	return r
}

// twoCopies has one that is not there, and one that we took away.
func twoCopies(j *migration.Job) {
	copies(j)
	j.Copies = append(j.Copies, migration.ReplicaTo{Region: "us-east-1", Target: cmk("east", "us-east-1").ARN, Removed: now})
}

func with(s guard.Secret, r guard.Replica) guard.Secret {
	s.Replicas = []guard.Replica{r}
	return s
}

func windows(text string) func(*migration.Rules) {
	return func(s *migration.Rules) {
		w, err := window.Parse(text)
		if err != nil {
			panic(err)
		}
		s.Windows = []window.Window{w}
	}
}

func TestAWaveHaltsWhenTooManyOfItsOwnPlanBreak(t *testing.T) {
	jobs := func(good, bad int) []migration.Job {
		var out []migration.Job
		for i := range good + bad {
			j := job(migration.Observing)
			j.Before = &migration.Before{}
			if i < bad {
				j.Phase = migration.Failed
			}
			out = append(out, j)
		}
		return out
	}
	of := func(plan string, wave migration.Wave, jobs []migration.Job) []migration.Job {
		for i := range jobs {
			jobs[i].Plan, jobs[i].Wave = plan, wave
		}
		return jobs
	}
	set := migration.Defaults()
	for name, tt := range map[string]struct {
		jobs  []migration.Job
		halts bool
	}{
		"none failed":                     {jobs(5, 0), false},
		"one of one is an accident":       {jobs(0, 1), false},
		"two of two":                      {jobs(0, 2), true},
		"two behind one of the hub's own": {append(of("", migration.Development, jobs(1, 0)), jobs(0, 2)...), true},
		"one of ten":                      {jobs(9, 1), false},
		"two of ten":                      {jobs(8, 2), true},
		"two of twenty":                   {jobs(18, 2), false},
		"two of nineteen":                 {jobs(17, 2), true},
		"two behind one of another plan":  {append(of("older", migration.Development, jobs(1, 0)), jobs(0, 2)...), true},
		"two failed under an older plan":  {append(of("older", migration.Development, jobs(0, 2)), jobs(1, 0)...), false},
		"two of the hub's own failed":     {append(of("", migration.Development, jobs(0, 2)), jobs(1, 0)...), false},
		"two failed in the canary wave":   {append(of("plan", migration.Canary, jobs(0, 2)), jobs(1, 0)...), false},
		"one failed beside a healthy one": {jobs(1, 1), false},
	} {
		if got := migration.Halted(tt.jobs, migration.Job{Plan: "plan", Wave: migration.Development}, set); (got != "") != tt.halts {
			t.Errorf("%s: %q", name, got)
		}
		if got := migration.Halted(tt.jobs, migration.Job{Plan: "plan", Wave: migration.Production}, set); got != "" {
			t.Errorf("%s: another wave halts: %q", name, got)
		}
	}
	got := migration.Halted(of("plan", migration.Canary, jobs(0, 1)), migration.Job{Plan: "plan", Wave: migration.Canary}, set)
	if !strings.Contains(got, "wave canary of plan plan is halted: 1 of 1") || !strings.Contains(got, "mend the cause, and then: doublelock migrate resume --wave canary --reason TEXT") {
		t.Errorf("the first canary failed: %q", got)
	}
	for bad, want := range map[int]string{5: "a reader: db, db, db, db, db. ", 7: "a reader: db, db, db, db, db and 2 more. "} {
		if got := migration.Halted(jobs(0, bad), migration.Job{Plan: "plan", Wave: migration.Development}, set); !strings.Contains(got, want) {
			t.Errorf("%d that went wrong: %q", bad, got)
		}
	}
	spread := of("plan", migration.Development, jobs(17, 3))
	for i := range spread {
		spread[i].Account = map[bool]string{true: "a", false: "b"}[i%2 == 0]
	}
	for account, want := range map[string]string{"a": "wave dev of plan plan is halted: 3 of 20", "": "wave dev of plan plan is halted: 3 of 20"} {
		if got := migration.Halted(spread, migration.Job{Plan: "plan", Wave: migration.Development, Account: account}, set); !strings.Contains(got, want) {
			t.Errorf("three of twenty, account %q: %q", account, got)
		}
	}
	here := of("plan", migration.Development, append(jobs(0, 2), jobs(40, 0)...))
	for i := range here {
		here[i].Account = map[bool]string{true: "a", false: "b"}[i < 5]
	}
	for account, halts := range map[string]bool{"a": true, "b": false} {
		if got := migration.Halted(here, migration.Job{Plan: "plan", Wave: migration.Development, Account: account}, set); (got != "") != halts || halts && !strings.Contains(got, "is halted in account a: 2 of 5") {
			t.Errorf("two of five in account a, and forty in all, account %q: %q", account, got)
		}
	}
	if got := migration.Halted(of("", migration.Canary, jobs(0, 2)), migration.Job{Plan: "", Wave: migration.Canary}, set); got != "" {
		t.Errorf("the hub's own jobs are no wave: %q", got)
	}
}

func rescued(name string, ended time.Time) func(*migration.Job) {
	return func(j *migration.Job) { j.Rescues = []migration.Rescue{{Principal: role(name), Ended: ended}} }
}

func spared(j *migration.Job) { j.Readers[0].Spared = true }

func TestDeniedReadsAreJudged(t *testing.T) {
	refused := migration.Refused{Principal: role("app"), EventID: "e-1", At: now, By: migration.LockKey, Read: true}
	for name, tt := range map[string]struct {
		job  func(*migration.Job)
		read func(*migration.Refused)
		set  func(*migration.Rules)
		want migration.Answer
	}{
		"before the first new version: back": {want: migration.AnswerRollback},
		"where that is off: the owner":       {set: func(s *migration.Rules) { s.AutoRollback = false }, want: migration.AnswerPage},
		"after it: the owner":                {job: func(j *migration.Job) { j.FirstNewAt = now.Add(-time.Hour) }, want: migration.AnswerPage},
		"after it, where allowed: a grant":   {job: func(j *migration.Job) { j.FirstNewAt = now.Add(-time.Hour) }, set: func(s *migration.Rules) { s.AutoGrant = true }, want: migration.AnswerGrant},
		"after the watch: the owner":         {job: func(j *migration.Job) { j.FirstNewAt = now.Add(-49 * time.Hour) }, set: func(s *migration.Rules) { s.AutoGrant = true }, want: migration.AnswerPage},
		"somebody who never read it":         {read: func(r *migration.Refused) { r.Principal = role("stranger") }, want: migration.AnswerNone},
		"refused by the secret's own policy": {read: func(r *migration.Refused) { r.By = migration.LockSecret }, want: migration.AnswerNone},
		"refused by nobody knows which lock": {read: func(r *migration.Refused) { r.By = migration.LockUnknown }, want: migration.AnswerPage},
		"nor after the first new version": {job: func(j *migration.Job) { j.FirstNewAt = now.Add(-time.Hour) }, set: func(s *migration.Rules) { s.AutoGrant = true },
			read: func(r *migration.Refused) { r.By = migration.LockUnknown }, want: migration.AnswerPage},
		"the key's own event after one that left it open": {job: func(j *migration.Job) {
			j.Denials = []migration.Denial{{Principal: role("app"), EventID: "e-0", At: now}}
		}, want: migration.AnswerRollback},
		"one that leaves it open after the key's own": {job: func(j *migration.Job) {
			j.Denials = []migration.Denial{{Principal: role("app"), EventID: "e-0", At: now, By: migration.LockKey}}
		}, read: func(r *migration.Refused) { r.By = migration.LockUnknown }, want: migration.AnswerNone},
		"the key's own event a second time": {job: func(j *migration.Job) {
			j.Denials = []migration.Denial{{Principal: role("app"), EventID: "e-0", At: now, By: migration.LockKey}}
		}, want: migration.AnswerNone},
		"another read, as long after as two changes": {job: func(j *migration.Job) {
			j.Denials = []migration.Denial{{Principal: role("app"), EventID: "e-0", At: now.Add(-10 * time.Minute), By: migration.LockKey}}
		}, want: migration.AnswerRollback},
		"a reader that has a grant":        {job: rescued("app", time.Time{}), want: migration.AnswerNone},
		"a reader whose grant has ended":   {job: rescued("app", now), want: migration.AnswerRollback},
		"a reader beside one with a grant": {job: rescued("batch", time.Time{}), want: migration.AnswerRollback},
		"what the versions open with is not known: nothing is weakened without a person": {job: func(j *migration.Job) { j.Phase = migration.Unproven }, want: migration.AnswerPage},
		"a reader that need not keep access":                                             {job: spared, want: migration.AnswerNone},
		"it reads with the previous key: the seal waits":                                 {job: spared, read: func(r *migration.Refused) { r.Read = false }, want: migration.AnswerHold},
		"refused before the re-key":                                                      {read: func(r *migration.Refused) { r.At = now.Add(-72 * time.Hour) }, want: migration.AnswerNone},
		"published a second time":                                                        {job: func(j *migration.Job) { j.Denials = []migration.Denial{{EventID: "e-1"}} }, want: migration.AnswerNone},
		"a secret that was rolled back":                                                  {job: func(j *migration.Job) { j.Phase = migration.RolledBack }, want: migration.AnswerNone},
		"a secret whose change has not begun":                                            {job: func(j *migration.Job) { j.Phase = migration.Planned }, want: migration.AnswerNone},
	} {
		t.Run(name, func(t *testing.T) {
			j, r, set := job(migration.Observing), refused, migration.Defaults()
			if tt.job != nil {
				tt.job(&j)
			}
			if tt.read != nil {
				tt.read(&r)
			}
			if tt.set != nil {
				tt.set(&set)
			}
			got, why := migration.Judge(j, r, set)
			if diff := cmp.Diff(tt.want, got); diff != "" || why == "" {
				t.Errorf("%s because %q", diff, why)
			}
		})
	}
}

// notRead is a look after which it is not known of some times who used the secret.
func notRead(s *migration.Seen) {
	s.Checked, s.Unread = true, "who used it last week is not known"
}
