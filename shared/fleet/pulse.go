package fleet

import (
	"context"
	"maps"
	"slices"
)

// Pulse is whether an account and Region is alive.
type Pulse string

const (
	PulseAlive   Pulse = "alive"
	PulseSilent  Pulse = "silent"  // something that we stand on is missing there
	PulseUnknown Pulse = "unknown" // it could not be found out this time: never counted as alive, and no reason to raise an alarm
)

// Health is the pulse of one location.
type Health struct {
	Account, Region string
	Pulse           Pulse
	Why             string // what is missing, or why it could not be found out
}

// Pulses takes the pulse of every account and Region from the checks that say whether we learn what happens there.
func (d *Doctor) Pulses(ctx context.Context) ([]Health, error) {
	rows, err := d.Vital(ctx)
	if err != nil {
		return nil, err
	}
	accounts := map[string][]Row{}
	for _, row := range rows {
		accounts[row.Account] = append(accounts[row.Account], row)
	}
	var all []Health
	for _, account := range slices.Sorted(maps.Keys(accounts)) {
		for _, region := range d.Expected.Regions {
			all = append(all, pulse(account, region, accounts[account]))
		}
	}
	for _, e := range d.Expected.Elsewhere {
		all = append(all, pulse(e.Account, e.Region, accounts[e.Account]))
	}
	return all, nil
}

// pulse is silent when anything is missing that we see events or look by. Lost events and missing roles to tag or
// change with are rows of the doctor's report, not silence.
func pulse(account, region string, rows []Row) Health {
	health := Health{Account: account, Region: region, Pulse: PulseAlive}
	vital := []string{CheckEnter, CheckTrail, CheckRule}
	for _, row := range rows {
		if row.Region != "" && row.Region != region || !slices.Contains(vital, row.Check) {
			continue
		}
		switch {
		case row.Status == Fail && health.Pulse != PulseSilent:
			health.Pulse, health.Why = PulseSilent, row.Check+" "+row.Subject+": "+row.Detail
		case row.Status == Unknown && health.Pulse == PulseAlive:
			health.Pulse, health.Why = PulseUnknown, row.Check+" "+row.Subject+": "+row.Detail
		}
	}
	return health
}
