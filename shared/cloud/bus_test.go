package cloud_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/cloud/bus"
	"github.com/doublelock/doublelock/shared/cloud/topics"
	"github.com/doublelock/doublelock/shared/guard"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

func notices(n int, detail string) []guard.Notice {
	var list []guard.Notice
	for i := range n {
		list = append(list, guard.Notice{ID: fmt.Sprint("n", i), Kind: guard.NoticeOpened, Resource: secretARN, At: time.Unix(int64(i), 0).UTC(), Detail: detail})
	}
	return list
}

// sent reads back the notices of one PutEvents call.
func sent(t *testing.T, a asked) (list []guard.Notice) {
	t.Helper()
	for _, e := range a.in["Entries"].([]any) {
		entry := e.(object)
		if entry["Source"] != "doublelock" || entry["DetailType"] != "Doublelock Finding" || entry["EventBusName"] != "doublelock" {
			t.Errorf("envelope %v", entry)
		}
		var n guard.Notice
		if err := json.Unmarshal([]byte(entry["Detail"].(string)), &n); err != nil {
			t.Error(err)
		}
		list = append(list, n)
	}
	return list
}

func TestNoticesTravelInOrderTenAtATime(t *testing.T) {
	f := newFake()
	f.on["PutEvents"] = func(asked) answer { return answer{body: object{"FailedEntryCount": 0}} }
	want := notices(23, "")
	if err := bus.Open(f.open(t, nil), "doublelock").Publish(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	var got []guard.Notice
	var sizes []int
	for _, c := range f.made("PutEvents") {
		got = append(got, sent(t, c)...)
		sizes = append(sizes, len(sent(t, c)))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !slices.Equal(sizes, []int{10, 10, 3}) {
		t.Errorf("calls of %v entries", sizes)
	}
}

func TestBigNoticesTravelInMoreCalls(t *testing.T) {
	f := newFake()
	f.on["PutEvents"] = func(asked) answer { return answer{body: object{"FailedEntryCount": 0}} }
	if err := bus.Open(f.open(t, nil), "doublelock").Publish(t.Context(), notices(5, strings.Repeat("x", 100_000))); err != nil {
		t.Fatal(err)
	}
	if n := len(f.made("PutEvents")); n != 3 {
		t.Errorf("%d calls for 500 KB, want 3", n)
	}
}

func TestNoticesLeftOutAreSentAgainAlone(t *testing.T) {
	f := newFake()
	f.on["PutEvents"] = func(a asked) answer {
		if len(f.made("PutEvents")) > 1 {
			return answer{body: object{"FailedEntryCount": 0, "Entries": []object{{"EventId": "e"}}}}
		}
		return answer{body: object{"FailedEntryCount": 1, "Entries": []object{{"EventId": "e"}, {"ErrorCode": "ThrottlingException"}, {"EventId": "e"}}}}
	}
	if err := bus.Open(f.open(t, nil), "doublelock").Publish(t.Context(), notices(3, "")); err != nil {
		t.Fatal(err)
	}
	again := sent(t, f.made("PutEvents")[1])
	if len(again) != 1 || again[0].ID != "n1" {
		t.Errorf("sent again: %+v, want n1 alone", again)
	}
}

func TestNoticesThatNeverArriveAreNamed(t *testing.T) {
	f := newFake()
	f.on["PutEvents"] = func(a asked) answer {
		var results []object
		for range a.in["Entries"].([]any) {
			results = append(results, object{"EventId": "e"})
		}
		results[len(results)-1] = object{"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"}
		return answer{body: object{"FailedEntryCount": 1, "Entries": results}}
	}
	err := bus.Open(f.open(t, nil), "doublelock").Publish(t.Context(), notices(3, ""))
	lost, typed := errors.AsType[*bus.UnpublishedError](err)
	if !typed || !slices.Equal(lost.IDs, []string{"n2"}) || !errors.Is(err, guard.ErrThrottled) {
		t.Errorf("error %v, want n2 named as throttled", err)
	}
	if want := "publish 1 notices (n2): put event: throttled: ThrottlingException: slow down"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
}

func TestABusThatRefusesNamesEveryNotice(t *testing.T) {
	f := newFake()
	f.on["PutEvents"] = func(asked) answer { return answer{code: "AccessDeniedException"} }
	err := bus.Open(f.open(t, nil), "doublelock").Publish(t.Context(), notices(12, ""))
	lost, typed := errors.AsType[*bus.UnpublishedError](err)
	if !typed || len(lost.IDs) != 12 || !errors.Is(err, guard.ErrDenied) {
		t.Errorf("error %v, want twelve notices, denied", err)
	}
}

func TestAMessageHasASubjectThatFitsAndNoEmptyAttribute(t *testing.T) {
	topic := "arn:aws:sns:eu-west-1:" + hub + ":owners"
	f := newFake()
	f.on["Publish"] = func(asked) answer {
		return answer{body: `<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>`}
	}
	c := f.open(t, nil)
	err := errors.Join(
		topics.New(c).Publish(t.Context(), topic, "Secret\napp/db – défault", "<e>", map[string]string{"owner": "payments", "empty": ""}, nil),
		topics.New(c).Publish(t.Context(), topic, "", "plain", nil, nil),
	)
	if err != nil {
		t.Fatal(err)
	}
	calls := f.made("Publish")
	first, second := calls[0].in, calls[1].in
	if first["Message"] != "<e>" || first["MessageStructure"] != nil || first["Subject"] != "Secret app/db - d?fault" || first["MessageAttributes.entry.1.Name"] != "owner" || first["MessageAttributes.entry.2.Name"] != nil {
		t.Errorf("message %v", first)
	}
	if second["Message"] != "plain" || second["MessageStructure"] != nil || second["Subject"] != nil {
		t.Errorf("message %v", second)
	}
	if calls[0].region != far {
		t.Errorf("published in %s, want the topic's Region", calls[0].region)
	}
}

func TestMessagesThatCannotBeSentCallNobody(t *testing.T) {
	f := newFake()
	c := f.open(t, nil)
	for _, topic := range []string{"owners", "arn:aws:sqs:eu-west-1:1:queue"} {
		if err := topics.New(c).Publish(t.Context(), topic, "", "d", nil, nil); err == nil {
			t.Errorf("published to %s", topic)
		}
	}
	if len(f.calls) != 0 {
		t.Errorf("made %d calls", len(f.calls))
	}
}
