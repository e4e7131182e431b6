package messaging

import (
	"fmt"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

// mostBatched is the most bytes of the bodies of a batch. Source: API reference, SendMessageBatch: 1 MiB.
const mostBatched = 1 << 20

type batchEntry struct {
	Id string //nolint:revive // AWS's own name
	sendInput
}

type batchSent struct {
	Id string //nolint:revive // AWS's own name
	sendOutput
}

type batchFailure struct {
	Id          string //nolint:revive // AWS's own name
	Code        string
	Message     string
	SenderFault bool
}

func sendMessageBatch(c *core.Call, q *queue) (any, error) {
	var in struct{ Entries []batchEntry }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if err := checkBatch(in.Entries); err != nil {
		return nil, err
	}
	if err := q.encryption().by(c, toWrite); err != nil {
		return nil, err
	}
	var out struct {
		Successful []batchSent    `json:",omitempty"`
		Failed     []batchFailure `json:",omitempty"`
	}
	for _, e := range in.Entries {
		sent, err := sendTo(c.AWS, q, e.sendInput, c.Caller.PrincipalID, c.Now)
		if err != nil {
			api := core.AsError(err)
			out.Failed = append(out.Failed, batchFailure{Id: e.Id, Code: api.Code, Message: api.Message, SenderFault: api.Status < 500})
			continue
		}
		out.Successful = append(out.Successful, batchSent{e.Id, sent})
	}
	return out, nil
}

func checkBatch(entries []batchEntry) error {
	switch {
	case len(entries) == 0:
		return &core.Error{Code: "EmptyBatchRequest", Message: "There should be at least one SendMessageBatchRequestEntry in the request."}
	case len(entries) > 10:
		return &core.Error{Code: "TooManyEntriesInBatchRequest", Message: fmt.Sprintf("Maximum number of entries per request are 10. You have sent %d.", len(entries))}
	}
	seen, size := map[string]bool{}, 0
	for _, e := range entries {
		if seen[e.Id] {
			return &core.Error{Code: "BatchEntryIdsNotDistinct", Message: "Id " + e.Id + " repeated."}
		}
		seen[e.Id], size = true, size+len(e.MessageBody)
	}
	if size > mostBatched {
		return &core.Error{Code: "BatchRequestTooLong", Message: fmt.Sprintf("Batch requests cannot be longer than %d bytes. You have sent %d bytes.", mostBatched, size)}
	}
	return nil
}
