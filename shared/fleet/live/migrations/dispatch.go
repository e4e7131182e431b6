package migrations

import (
	"time"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/operator"
)

// keepOutcomes is how long it can be read what became of an instruction: longer than its queue and the one behind it keep it.
const keepOutcomes = 30 * 24 * time.Hour

// Dispatch opens what the hub keeps of plans and instructions.
func Dispatch(c *cloud.Cloud, name string) operator.Dispatch {
	records := table.Open(c, name)
	return operator.Dispatch{Plans: records.Entries(), Outcomes: records.EntriesFor(keepOutcomes)}
}
