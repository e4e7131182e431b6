package dynamodb

import (
	"strconv"
	"time"
)

const (
	expiryTakes  = 48 * time.Hour // how long an expired item is still there; AWS says "within a few days"
	expiryPasses = 6 * time.Hour  // how often somebody looks for them
)

// expire deletes what has expired, as DynamoDB does by itself. An item whose attribute is no number, or further back than five
// years, stays.
func (t *table) expire(now time.Time) {
	if t.ttl == "" || now.Sub(t.expired) < expiryPasses {
		return
	}
	t.expired = now
	for key, s := range t.items {
		v, has := s.item[t.ttl]
		if !has || v.kind != "N" {
			continue
		}
		seconds, err := strconv.ParseInt(v.text, 10, 64)
		at := time.Unix(seconds, 0)
		if err == nil && now.Sub(at) > expiryTakes && at.After(now.AddDate(-5, 0, 0)) {
			t.remove(key)
		}
	}
}
