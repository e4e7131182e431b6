package faults_test

import (
	"slices"
	"time"
)

// services are those that the functions call. A storm in which another is called fails: it joins the list, and has outages.
var services = []string{"account", "cloudtrail", "dynamodb", "events", "iam", "kms", "organizations", "secretsmanager", "sns", "sqs", "sts"}

// outage is when a service answers nothing.
type outage struct {
	service    string
	from, till time.Time
	met        int // calls that met it
}

// leastMet is how many calls meet an outage before it ends, whenever that is: of fewer the SDK's own repeats would hide it, and
// a service that is asked every few hours would have none in a short storm.
const leastMet = 5

// planned reports that an outage takes its time now.
func (o *outage) planned() bool { return !time.Now().Before(o.from) && time.Now().Before(o.till) }

// now reports that the service is down.
func (o *outage) now() bool {
	return o.planned() || o.met < leastMet && !time.Now().Before(o.from)
}

// outages has each service go down for a while in a storm of some length: for a twentieth to an eighth of it, at a time of its
// own, and for longer where hardly anybody asks. They are a function of the seed, and may meet. While SQS is down nothing is
// delivered either, for the time that was planned.
func (d *driver) outages(length time.Duration) []*outage {
	var all []*outage
	for _, service := range services {
		lasts := time.Duration((0.05 + 0.075*d.chance("outage lasts", service)) * float64(length))
		from := time.Now().Add(time.Duration(d.chance("outage begins", service) * float64(length-lasts)))
		all = append(all, &outage{service: service, from: from, till: from.Add(lasts)})
	}
	return all
}

// during says whether a call meets an outage, and counts those that do by their service.
func (d *driver) during(all []*outage) func(*call) bool {
	return func(c *call) bool {
		if !slices.Contains(services, c.service) {
			d.oracle.mu.Lock()
			defer d.oracle.mu.Unlock()
			d.oracle.fault(&d.oracle.Wrong, "%s is called, and has no outages: it belongs into the list", c.service)
			return false
		}
		at := slices.IndexFunc(all, func(o *outage) bool { return o.service == c.service && o.now() })
		if at < 0 {
			return false
		}
		all[at].met++
		d.count.Down[c.service]++
		return true
	}
}

// outlast lets hours pass until each outage was met and is over.
func (d *driver) outlast(all []*outage) {
	for range 48 {
		if !slices.ContainsFunc(all, func(o *outage) bool { return o.met < leastMet }) {
			return
		}
		d.settle(30 * time.Minute)
	}
}
