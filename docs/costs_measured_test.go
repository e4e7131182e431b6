package docs_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/handlers/wires"
	"github.com/doublelock/doublelock/shared/settings"
)

// units is what DynamoDB bills: capacity units of requests. Source: DynamoDB Developer Guide, "Read and write operations": 1 KB
// a written unit, 4 KB a read one, half of that for reads that may be stale, twice of both in a transaction.
type units struct{ Reads, Writes float64 }

// meter stands between the functions and the local AWS, and counts the units of each call to DynamoDB.
type meter struct {
	to *httputil.ReverseProxy

	mu    sync.Mutex
	spent units
	sizes map[string]int // bytes of each item as it was written last, by its keys
}

func newMeter(t *testing.T, to string) (*meter, string) {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	m := &meter{sizes: map[string]int{}, to: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // it is signed
	}}}
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	return m, server.URL
}

func (m *meter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, operation, dynamo := strings.Cut(r.Header.Get("X-Amz-Target"), "DynamoDB_20120810.")
	if !dynamo {
		m.to.ServeHTTP(w, r)
		return
	}
	asked, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(asked))
	r.Header.Del("Accept-Encoding")
	answer := httptest.NewRecorder()
	m.to.ServeHTTP(answer, r)
	m.count(operation, asked, answer.Body.Bytes())
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

type item map[string]map[string]any

// change is a part of a transaction, or a call that writes.
type change struct {
	Item, Key item
}

func (m *meter) count(operation string, asked, answered []byte) {
	var in struct {
		change
		ConsistentRead bool
		TransactItems  []struct{ Put, Delete, ConditionCheck, Update *change }
	}
	var out struct {
		Item  item
		Items []item
	}
	if json.Unmarshal(asked, &in) != nil || json.Unmarshal(answered, &out) != nil {
		panic(fmt.Sprintf("%s is no JSON", operation))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	share := 0.5
	if in.ConsistentRead {
		share = 1
	}
	switch operation {
	case "PutItem", "DeleteItem":
		m.spent.Writes += m.written(in.change)
	case "GetItem":
		m.spent.Reads += share * blocks(size(out.Item), 4096)
	case "Query", "Scan":
		total := 0
		for _, one := range out.Items {
			total += size(one)
		}
		m.spent.Reads += share * blocks(total, 4096)
	case "TransactWriteItems":
		for _, part := range in.TransactItems {
			for _, c := range []*change{part.Put, part.Delete, part.ConditionCheck} {
				if c != nil {
					m.spent.Writes += 2 * m.written(*c)
				}
			}
			if part.Update != nil {
				panic("an update is in a transaction, and not counted")
			}
		}
	default:
		panic(operation + " is not counted")
	}
}

// written is what it costs to write an item, by the larger of what was there and what comes.
func (m *meter) written(c change) float64 {
	id := c.Key
	if c.Item != nil {
		id = item{"pk": c.Item["pk"], "sk": c.Item["sk"]}
	}
	key, _ := json.Marshal(id)
	larger := max(m.sizes[string(key)], size(c.Item))
	m.sizes[string(key)] = size(c.Item)
	return blocks(larger, 1024)
}

// blocks is how many units so many bytes take; nothing takes one, too.
func blocks(bytes, unit int) float64 { return float64(max(1, (bytes+unit-1)/unit)) }

// size is that of an item: its names and values. Source: DynamoDB Developer Guide, "Item sizes and formats".
func size(i item) int {
	total := 0
	for name, v := range i {
		total += len(name) + valueSize(v)
	}
	return total
}

func valueSize(v map[string]any) int {
	for kind, value := range v {
		switch value := value.(type) {
		case string:
			switch kind {
			case "N":
				return len(value)/2 + 1
			case "B":
				raw, _ := base64.StdEncoding.DecodeString(value)
				return len(raw)
			}
			return len(value)
		case []any:
			total := 3
			for _, one := range value {
				if part, is := one.(map[string]any); is {
					total += 1 + valueSize(part)
				} else {
					total += len(fmt.Sprint(one))
				}
			}
			return total
		case map[string]any:
			total := 3
			for name, one := range value {
				part, _ := one.(map[string]any)
				total += 1 + len(name) + valueSize(part)
			}
			return total
		}
	}
	return 1 // true, false, nothing
}

// metered is the organization of the demo, whose functions reach AWS through a meter.
func metered(t *testing.T) (*local.Organization, *meter) {
	t.Helper()
	w := localtest.New(t)
	m, through := newMeter(t, w.URL)
	for _, name := range w.Functions() {
		env, err := w.FunctionEnvironment(name)
		if err != nil {
			t.Fatal(err)
		}
		env[settings.EnvEndpoint] = through
		h, err := wires.All()[name](t.Context(), func(variable string) string { return env[variable] }, w.Clock.Now, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		w.AWS.RegisterFunction(local.Hub, w.Home(), settings.SessionPrefix+name, func(ctx context.Context, payload []byte) ([]byte, error) {
			var batch events.SQSEvent
			if err := json.Unmarshal(payload, &batch); err != nil {
				return nil, err
			}
			answer, err := h.Handle(ctx, batch)
			if err != nil {
				return nil, err
			}
			return json.Marshal(answer)
		})
	}
	return w, m
}

// of is what the functions spend until what is done has run its course.
func (m *meter) of(t *testing.T, w *local.Organization, do func()) units {
	t.Helper()
	m.mu.Lock()
	m.spent = units{}
	m.mu.Unlock()
	do()
	if err := w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Clock.Advance(time.Minute)
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.spent
}

// What the bill says of the table is what the functions ask of it: in the organization of the demo, whose owners get mail and chat.
func TestTheTableIsBilledForWhatIsMeasured(t *testing.T) {
	w, m := metered(t)
	locations := float64(len(local.AccountNames()) * 2)
	call := func(service, operation string, in map[string]any) map[string]any {
		t.Helper()
		return localtest.Call(t, w, local.Search, w.Home(), service, operation, in)
	}
	create := func(name string, key any) {
		in := map[string]any{"Name": name, "SecretString": "x"}
		if key != nil {
			in["KmsKeyId"] = key
		}
		call("secretsmanager", "CreateSecret", in)
	}
	put := func(name, value string) {
		call("secretsmanager", "PutSecretValue", map[string]any{"SecretId": name, "SecretString": value})
	}
	same := func(what string, got, want units) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-billed +measured):\n%s", what, diff)
		}
	}
	const ours = "alias/doublelock/secrets"
	key := call("kms", "CreateKey", nil)["KeyMetadata"].(map[string]any)["Arn"].(string)

	create("quiet", ours)
	for _, value := range []string{"1", "2"} { // from then on a version comes and one goes, under the same key
		put("quiet", value)
	}
	if err := w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	same("a rotation that changes no key", m.of(t, w, func() { put("quiet", "3") }), units{Reads: readsPerEvent})
	same("the first of a minute", m.of(t, w, func() { put("quiet", "4") }), units{Reads: readsPerEvent + readsPerMinute})
	same("nothing", m.of(t, w, func() {}), units{})
	same("an event about a key with no secret", m.of(t, w, func() { call("kms", "EnableKeyRotation", map[string]any{"KeyId": key}) }), units{Reads: readsPerKeyEvent})

	noisy := m.of(t, w, func() { create("noisy", nil) }) // opens DL.SECRET.1
	for _, do := range []func(){
		func() { call("secretsmanager", "UpdateSecret", map[string]any{"SecretId": "noisy", "KmsKeyId": ours}) }, // resolves it, opens DL.SECRET.2
		func() { put("noisy", "1") },
		func() { put("noisy", "2") }, // resolves that: sealed
	} {
		spent := m.of(t, w, do)
		noisy.Reads, noisy.Writes = noisy.Reads+spent.Reads, noisy.Writes+spent.Writes
	}
	const findings, looks = 4, 4
	same("a finding that opens or resolves", units{Reads: math.Ceil((noisy.Reads - looks*readsPerEvent) / findings), Writes: math.Ceil(noisy.Writes / findings)}, units{Reads: readsPerNotice, Writes: writesPerNotice})

	sweep := func() units {
		return m.of(t, w, func() { localtest.Schedule(t, w, settings.TaskSweep, handlers.Sweep) })
	}
	sweep()
	few := sweep()
	const more = 20
	for i := range more {
		create(fmt.Sprintf("more/%d", i), ours)
	}
	if err := w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	sweep()
	many := sweep()
	same("a look of the sweep", units{Reads: math.Floor((many.Reads - few.Reads) / more), Writes: many.Writes - few.Writes}, units{Reads: readsPerLook})
	same("a sweep", units{Writes: few.Writes}, units{Writes: locations*writesPerSweptLocation + writesPerSweep})
	same("a heartbeat", m.of(t, w, func() { localtest.Schedule(t, w, settings.TaskHeartbeat, handlers.Watchdog) }), units{Reads: locations*readsPerBeat + readsPerHeartbeat})
	same("a roll-up", m.of(t, w, func() { localtest.Schedule(t, w, settings.TaskRollUp, handlers.Alert) }), units{Reads: readsPerRollUp})

	total := 0
	for id, bytes := range m.sizes {
		if strings.Contains(id, ":secret:more/") {
			total += bytes
		}
	}
	if each := total / more; each > recordBytes || each < recordBytes/2 {
		t.Errorf("a secret takes %d bytes of the table, billed are %d", each, recordBytes)
	}
}
