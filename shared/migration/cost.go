package migration

import "math"

// Prices of AWS KMS in US dollars, us-east-1. Source: AWS KMS pricing page; other Regions differ by cents.
type Prices struct {
	KeyMonth    float64 `json:"keyMonth"`    // one customer managed key
	PerRequests float64 `json:"perRequests"` // 10,000 requests; those for AWS managed keys cost the same
}

// ListPrices are the prices that a plan reckons with.
var ListPrices = Prices{KeyMonth: 1, PerRequests: 0.03}

// Cost is what the keys of the planned secrets cost in a month, in US dollars.
type Cost struct {
	Prices       Prices  `json:"prices"`
	KeysBefore   int     `json:"keysBefore"`
	KeysAfter    int     `json:"keysAfter"`
	Requests     int     `json:"requests"` // a month, from the reads that were seen; the same before and after
	Before       float64 `json:"before"`
	After        float64 `json:"after"`
	StillOldKeys int     `json:"stillOldKeys,omitempty"` // of before: kept until the last old copy is gone, then theirs to delete
}

func costOf(items []Item, reads, days int, p Prices) Cost {
	before, after := map[string]bool{}, map[string]bool{}
	for _, i := range items {
		if i.From.ARN != "" && i.From.Customer {
			before[i.From.ARN] = true
		}
		if i.Target != "" {
			after[i.Target] = true
		}
		for _, r := range i.Replicas {
			if r.FromCustomer != "" {
				before[r.FromCustomer] = true
			}
			if r.Target != "" {
				after[r.Target] = true
			}
		}
	}
	c := Cost{Prices: p, KeysBefore: len(before), KeysAfter: len(after)}
	if days > 0 {
		c.Requests = int(math.Round(float64(reads) * 30 / float64(days)))
	}
	for arn := range before {
		if !after[arn] {
			c.StillOldKeys++
		}
	}
	requests := float64(c.Requests) / 10000 * p.PerRequests
	c.Before = cents(float64(c.KeysBefore)*p.KeyMonth + requests)
	c.After = cents(float64(c.KeysAfter)*p.KeyMonth + requests)
	return c
}

func cents(dollars float64) float64 { return math.Round(dollars*100) / 100 }
