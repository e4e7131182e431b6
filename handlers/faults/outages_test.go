package faults_test

import (
	"slices"
	"time"
)

// services are those that the functions call. A storm in which another is called fails: it joins the list, and has outages.
var services = []string{"cloudtrail", "dynamodb", "events", "iam", "kms", "organizations", "secretsmanager", "sns", "sqs", "sts"}

// outage is when a service answers nothing.
type outage struct {
	service    string
	from, till time.Time
}

func (o outage) now() bool { return !time.Now().Before(o.from) && time.Now().Before(o.till) }

// outages has each service go down for a while in a storm of some length: for a twentieth to an eighth of it, at a time of its
// own. They are a function of the seed, and may meet. While SQS is down nothing is delivered either.
func (d *driver) outages(length time.Duration) []outage {
	var all []outage
	for _, service := range services {
		lasts := time.Duration((0.05 + 0.075*d.chance("outage lasts", service)) * float64(length))
		from := time.Now().Add(time.Duration(d.chance("outage begins", service) * float64(length-lasts)))
		all = append(all, outage{service, from, from.Add(lasts)})
	}
	return all
}

// during says whether a call meets an outage, and counts those that do by their service.
func (d *driver) during(all []outage) func(*call) bool {
	return func(c *call) bool {
		if !slices.Contains(services, c.service) {
			d.oracle.mu.Lock()
			defer d.oracle.mu.Unlock()
			d.oracle.fault(&d.oracle.Wrong, "%s is called, and has no outages: it belongs into the list", c.service)
			return false
		}
		met := slices.ContainsFunc(all, func(o outage) bool { return o.service == c.service && o.now() })
		if met {
			d.count.Down[c.service]++
		}
		return met
	}
}
