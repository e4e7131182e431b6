package docs_test

import (
	"fmt"
	"strings"
)

// Estate is the size of an organization and what happens in it in one month.
type Estate struct {
	Accounts, Regions int
	Secrets           int // per account and Region
	Changes           int // events about one secret: rotations, deployments, tags
	KeyEvents         int // events about keys per account and Region; most are grants that AWS services make
	Notices           int // findings opened or resolved per account and Region
	Sweeps            int // 730 is rate(1 hour), the default
}

// Hours is how many hours a month has on average, as AWS's own price examples count.
const Hours = 730

// Typical is an estate of ordinary activity: what the table in docs/operations.md assumes.
func Typical(accounts, regions int) Estate {
	return Estate{Accounts: accounts, Regions: regions, Secrets: 25, Changes: 12, KeyEvents: 2000, Notices: 4, Sweeps: Hours}
}

// What one unit of our work takes. Times are wall-clock seconds of a function; sizes are bytes.
const (
	workers          = 5
	alarms           = 5*workers + 4      // five of each worker, silence, coverage, outbox, paused
	pollsPerQueue    = 5 * 3 * 60 * Hours // Lambda polls an idle queue five times at once, for 20 seconds each
	sqsPerMessage    = 4                  // sent, received, hidden by what moves secrets, deleted
	callsPerLook     = 2                  // DescribeSecret, ListSecretVersionIds
	detectSeconds    = 0.15               // of 0.25 GB, one event a call
	sweepSeconds     = 0.0075             // of 0.5 GB: 60 ms a look, eight looks at once
	beatSeconds      = 0.02               // of 0.25 GB, per account and Region
	beatsPerHour     = 4
	rollUpsPerHour   = 60
	logBytesPerEvent = 1500
	recordBytes      = 3000   // the record, and what leads to it from its key and alias
	tracedShare      = 0.05   // X-Ray's default rule
	steadyLocations  = 100    // up to so many accounts × Regions have a heartbeat metric each
	keysPerLocation  = 3      // KMS calls about the keys of an account and Region, remembered for the rest of its sweep
	keyUsesPerHour   = 2 * 12 // a data key of a queue is used for five minutes, by sender and receiver
	gigabyte         = 1e9
	listPage         = 100
)

// What the functions ask of the table, in DynamoDB's units: TestTheTableIsBilledForWhatIsMeasured counts them.
const (
	readsPerLook           = 1  // of the sweep: the record
	readsPerEvent          = 2  // about a secret: the record, and whether the location was a blind spot
	readsPerKeyEvent       = 3  // what the index has of the key, of its Region, and how old that is
	readsPerNotice         = 14 // by detect, which reads the brake twice before it tags, and by alert, for each way out
	writesPerNotice        = 30 // likewise: the record with its index in a transaction, which counts twice, the outbox, intents, tags, mails
	writesPerSweptLocation = 1  // how far the sweep got, by account and Region
	writesPerSweep         = 2
	readsPerBeat           = 1  // by account and Region
	readsPerHeartbeat      = 18 // the outbox, and the brake
	readsPerRollUp         = 1
	readsPerMinute         = 1 // of each that asks whether the organization has changed
	asking                 = 8 // of those, if all are busy in every minute: in detect 1, remediate 3, sweep 2, watchdog 1, operate 1
)

// Charge is one line of the bill.
type Charge struct {
	What  string
	Count float64 // how many units a month
	Per   float64 // how many units Price buys
	Price float64 // US dollars
	Why   string  // how Count comes about
}

// USD is what a charge costs a month, in US dollars.
func (c Charge) USD() float64 { return c.Count / c.Per * c.Price }

// Locations is how many accounts × Regions an estate has.
func (e Estate) Locations() float64 { return float64(e.Accounts) * float64(e.Regions) }

func (e Estate) events() float64 {
	return e.Locations() * float64(e.Secrets*e.Changes+e.KeyEvents)
}

func (e Estate) notices() float64 { return e.Locations() * float64(e.Notices) }

// looks are what the sweeps do; each event about a secret is one more.
func (e Estate) looks() float64 { return e.Locations() * float64(e.Secrets) * float64(e.Sweeps) }

// Bill lists what an estate costs a month at the list prices of us-east-1, without the free tiers and without the CMKs
// of the members, which OwnKeys prices.
func Bill(e Estate) []Charge {
	events, notices, looks := e.events(), e.notices(), e.looks()
	looked := looks + e.Locations()*float64(e.Secrets*e.Changes)
	scheduled := float64(e.Sweeps) + beatsPerHour*Hours + rollUpsPerHour*Hours
	messages := events + 2*notices + scheduled // each notice goes to alert, and to remediate or the digest
	beats := beatsPerHour * Hours * (e.Locations()*readsPerBeat + readsPerHeartbeat)
	reads := readsPerLook*looks + readsPerEvent*(looked-looks) + readsPerKeyEvent*e.Locations()*float64(e.KeyEvents) + readsPerNotice*notices + beats + readsPerRollUp*rollUpsPerHour*Hours + readsPerMinute*asking*60*Hours
	writes := writesPerNotice*notices + (writesPerSweptLocation*e.Locations()+writesPerSweep)*float64(e.Sweeps)
	lists := e.Locations() * float64(e.Sweeps) * float64((e.Secrets+listPage-1)/listPage)
	compute := 0.25*detectSeconds*messages + 0.5*sweepSeconds*looks + 0.25*beatSeconds*beatsPerHour*Hours*e.Locations()
	metrics := 3.0
	if e.Locations() <= steadyLocations {
		metrics += e.Locations()
	}
	return []Charge{
		{"Secrets Manager calls", callsPerLook*looked + lists, 1e4, 0.05, "2 for each look of the sweep and of an event, 1 for each 100 secrets listed"},
		{"EventBridge, forwarded and our own", events + notices, 1e6, 1, "every event once across accounts, every notice once"},
		{"SQS", sqsPerMessage*messages + workers*pollsPerQueue, 1e6, 0.40, "4 a message, and 657,000 polls for each of 5 queues"},
		{"Lambda requests", messages, 1e6, 0.20, "one message a call"},
		{"Lambda GB-seconds (arm64)", compute, 1, 0.0000133334, "detect 0.25 GB × 0.15 s, sweep 0.5 GB × 7.5 ms a secret, heartbeat 0.25 GB × 20 ms"},
		{"DynamoDB reads", reads, 1e6, 0.125,
			fmt.Sprintf("%d a look of the sweep, %d an event about a secret, %d one about a key, %d a notice, %d for each account × Region and heartbeat, %d a minute where all functions are busy", readsPerLook, readsPerEvent, readsPerKeyEvent, readsPerNotice, readsPerBeat, readsPerMinute*asking)},
		{"DynamoDB writes", writes, 1e6, 0.625, fmt.Sprintf("%d a notice: only what moved is written; %d for each account × Region and sweep", writesPerNotice, writesPerSweptLocation)},
		{"DynamoDB storage and backup, GB", e.Locations() * float64(e.Secrets) * recordBytes / gigabyte, 1, 0.25 + 0.20, "3 KB a secret, with what leads to it from its key and alias"},
		{"CloudWatch Logs, GB", messages * logBytesPerEvent / gigabyte, 1, 0.50, "1.5 KB an event"},
		{"CloudWatch alarms", alarms, 1, 0.10, "5 for each of 5 workers, silence, coverage, outbox, paused"},
		{"CloudWatch metrics", metrics, 1, 0.30, "coverage, notices that wait, changes paused, and one for each account × Region up to 100"},
		{"X-Ray traces", messages * tracedShare, 1e6, 5, "5 % of the calls"},
		{"SNS", 2 * notices, 1e6, 0.50, "to owners and to chat"},
		{"KMS requests", 2*workers*keyUsesPerHour*Hours + 2*messages + keysPerLocation*e.Locations()*float64(e.Sweeps), 1e4, 0.03,
			"data keys of 10 queues, at most 2 a message, 3 for each account × Region and sweep"},
		{"CMK of the hub", 1, 1, 1, "one key for all of the hub"},
	}
}

// Total is what a bill costs a month, in US dollars.
func Total(bill []Charge) float64 {
	total := 0.0
	for _, c := range bill {
		total += c.USD()
	}
	return total
}

// OwnKeys is what keys.createPerAccount costs a month: a CMK in every account and Region. Each of the first two
// rotations adds one dollar a month, so that a key costs three in the end.
func OwnKeys(e Estate) (first, settled float64) { return e.Locations(), 3 * e.Locations() }

// What the ledger of forwarded reads takes.
const (
	readsPerSecret    = 6 * Hours // one in ten minutes
	readersPerSecret  = 3
	sqsPerForwarded   = 1.2 // sent one by one, received and deleted ten at a time
	readSeconds       = 60e-6
	forwardedPerBatch = 500
)

// ForwardedReads is what migration.readerLedger: forwarded costs a month. Each reader of a secret is written once a day, each account and
// Region once for a heartbeat, in two units.
func ForwardedReads(e Estate) float64 {
	reads := e.Locations() * float64(e.Secrets) * readsPerSecret
	kept := e.Locations() * (float64(e.Secrets)*readersPerSecret*Hours/24 + beatsPerHour*Hours)
	queue := (sqsPerForwarded*reads+pollsPerQueue)/1e6*0.40 + (2*keyUsesPerHour*Hours)/1e4*0.03
	return reads/1e6*1 + queue + reads/forwardedPerBatch/1e6*0.20 + 0.25*readSeconds*reads*0.0000133334 + kept/1e6*(0.125+2*0.625) + 5*0.10
}

func forwarded(b *strings.Builder, estates []Estate) {
	b.WriteString("| Forwarded reads, only with `migration.readerLedger: forwarded` |")
	for _, e := range estates {
		fmt.Fprintf(b, " %s |", dollars(ForwardedReads(e)))
	}
	b.WriteString(" a read of each secret in ten minutes, by 3 principals; $1.48 for 1,000,000 reads, most of it EventBridge's |\n")
}

// CostTable writes the bills of several estates side by side, in Markdown.
func CostTable(estates []Estate) string {
	var b strings.Builder
	b.WriteString("| a month, in US dollars |")
	for _, e := range estates {
		fmt.Fprintf(&b, " %s accounts × %d Regions |", grouped(e.Accounts), e.Regions)
	}
	b.WriteString(" how the quantity comes about |\n| --- |" + strings.Repeat(" ---: |", len(estates)) + " --- |\n")
	bills := make([][]Charge, len(estates))
	for i, e := range estates {
		bills[i] = Bill(e)
	}
	for line := range bills[0] {
		c := bills[0][line]
		row(&b, c.What+unitPrice(c), bills, func(bill []Charge) float64 { return bill[line].USD() }, c.Why)
	}
	row(&b, "**together**", bills, Total, "without free tiers")
	keys(&b, estates)
	forwarded(&b, estates)
	return b.String()
}

func unitPrice(c Charge) string {
	price := strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.10f", c.Price), "0"), ".")
	if c.Per == 1 {
		return ", $" + price
	}
	return fmt.Sprintf(", $%s per %s", price, grouped(int(c.Per)))
}

func row(b *strings.Builder, what string, bills [][]Charge, cost func([]Charge) float64, why string) {
	fmt.Fprintf(b, "| %s |", what)
	for _, bill := range bills {
		fmt.Fprintf(b, " %s |", dollars(cost(bill)))
	}
	fmt.Fprintf(b, " %s |\n", why)
}

func keys(b *strings.Builder, estates []Estate) {
	b.WriteString("| CMKs of the members, only with `keys.createPerAccount` |")
	for _, e := range estates {
		first, settled := OwnKeys(e)
		fmt.Fprintf(b, " %s to %s |", dollars(first), dollars(settled))
	}
	b.WriteString(" $1 a key, $1 more for each of its first two rotations |\n")
}

func dollars(usd float64) string {
	cents := int(usd*100 + 0.5)
	return fmt.Sprintf("%s.%02d", grouped(cents/100), cents%100)
}

// grouped writes a number with commas: 1,234,567.
func grouped(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
