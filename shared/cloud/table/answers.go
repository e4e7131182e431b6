package table

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// Answers keeps the last answers of AWS in the same table, an item a question.
type Answers struct{ t *Table }

// Answers opens the answers of the table.
func (t *Table) Answers() *Answers { return &Answers{t: t} }

var _ store.Answers = (*Answers)(nil)

const (
	keepAnswers    = 7 * 24 * time.Hour // longer than any answer may be used
	refreshAnswers = time.Hour          // an answer that stays the same is written no more often
)

func answerKey(question string) item {
	return item{AttributeKey: text("answer#" + question), AttributeSort: text("answer")}
}

// Last is the answer that was kept last. One that cannot be read is set aside, and is none.
func (a *Answers) Last(ctx context.Context, question string) (store.Answer, error) {
	have, _, err := a.load(ctx, question)
	return have, session.Fail(err, "look up the last answer to %s", question)
}

// Keep keeps an answer, unless a later one is there, or the same one that is less than an hour older.
func (a *Answers) Keep(ctx context.Context, question string, next store.Answer) error {
	have, was, err := a.load(ctx, question)
	if err != nil {
		return session.Fail(err, "keep the answer to %s", question)
	}
	age := next.At.Sub(have.At)
	if !have.At.IsZero() && (age <= 0 || age < refreshAnswers && bytes.Equal(have.Body, next.Body)) {
		return nil
	}
	err = a.t.over(ctx, answerKey(question), was, next, next.At.Add(keepAnswers))
	if errors.Is(err, guard.ErrConflict) {
		return nil // somebody else keeps theirs, which is as new
	}
	return session.Fail(err, "keep the answer to %s", question)
}

// load reads an answer: the zero one where there is none, and where it cannot be read. A newer version's is left alone.
func (a *Answers) load(ctx context.Context, question string) (store.Answer, row, error) {
	var have store.Answer
	was, _, err := a.t.orAnew(ctx, answerKey(question), &have)
	return have, was, err
}
