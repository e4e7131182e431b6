package guard

import "fmt"

// Tally counts the secrets of a BlastRadius.
type Tally struct {
	Stops   int `json:"stops"`
	Still   int `json:"still,omitzero"` // of Stops, those of which something still opens
	Partly  int `json:"partly,omitzero"`
	Remains int `json:"remains"`
	Unknown int `json:"unknown"`
	Ending  int `json:"ending,omitzero"`  // of Remains, those that open until a day that is known
	Certain int `json:"certain,omitzero"` // of Unknown, those that are under the key for certain
	Unsure  int `json:"unsure,omitzero"`  // of Stops and Partly, those of which nobody knows whether something else opens
	Waiting int `json:"waiting,omitzero"` // beside all these, those in their recovery window that stop, or may
}

// plus adds another tally, or takes it away: sign is 1 or -1.
func (t Tally) plus(o Tally, sign int) Tally {
	return Tally{t.Stops + sign*o.Stops, t.Still + sign*o.Still, t.Partly + sign*o.Partly, t.Remains + sign*o.Remains, t.Unknown + sign*o.Unknown,
		t.Ending + sign*o.Ending, t.Certain + sign*o.Certain, t.Unsure + sign*o.Unsure, t.Waiting + sign*o.Waiting}
}

// Judged is how many secrets are under the key of which it is known what becomes of them.
func (t Tally) Judged() int { return t.Stops + t.Partly + t.Remains }

// UnderWords say how many secrets are under the key, and of how many nobody knows.
func (t Tally) UnderWords() string {
	text := Count(t.Judged()+t.Certain, "secret is", "secrets are") + " under it"
	if may := t.Unknown - t.Certain; may > 0 {
		text += fmt.Sprintf(", and %d more may be", may)
	}
	return text + t.waiting()
}

// waiting counts the secrets in their recovery window.
func (t Tally) waiting() string {
	if t.Waiting == 0 {
		return ""
	}
	return ", " + Count(t.Waiting, "in its recovery window needs", "in their recovery windows need") + " it"
}

// Words say how many stop and do not, in half a sentence.
func (t Tally) Words() string {
	text := Count(t.Stops, "stops", "stop")
	if t.Still > 0 {
		text += " (" + Count(t.Still, "still opens", "still open") + " in another way)"
	}
	if t.Partly > 0 {
		text += ", " + Count(t.Partly, "stops", "stop") + " in part"
	}
	text += ", " + Count(t.Remains, "does NOT stop", "do NOT stop")
	if t.Ending > 0 {
		text += " (" + Count(t.Ending, "opens", "open") + " for now only)"
	}
	return text + fmt.Sprintf(", %d unknown", t.Unknown) + t.UnsureWords() + t.waiting()
}

// UnsureWords count the secrets of which one part is known and another is not, as the end of a list; "" for none.
func (t Tally) UnsureWords() string {
	if t.Unsure == 0 {
		return ""
	}
	return fmt.Sprintf(", %d unknown in part", t.Unsure)
}

// Brief is how many stop by default, in part and not at all, for a headline: what of those that stop still opens is for the text.
func (t Tally) Brief() string {
	stops, remains := Count(t.Stops, "stops", "stop"), Count(t.Remains, "does not", "do not")
	if t.Ending > 0 {
		remains += fmt.Sprintf(" (%d for now)", t.Ending)
	}
	if t.Partly == 0 {
		return stops + ", " + remains
	}
	text := Count(t.Partly, "stops", "stop") + " in part"
	if t.Stops > 0 {
		text = stops + fmt.Sprintf(", %d in part", t.Partly)
	}
	if t.Remains > 0 {
		text += ", " + remains
	}
	return text
}
