package output

import "github.com/schollz/progressbar/v3"

// Progress is how far a long run is. It is drawn on a terminal; a pipe or a file gets nothing. A bar that cannot be
// drawn is no reason to stop, so no method errs.
type Progress struct{ bar *progressbar.ProgressBar }

// Progress begins to show how many of total things are done.
func (p *Printer) Progress(what string, total int) *Progress {
	if !p.Live {
		return &Progress{}
	}
	return &Progress{progressbar.NewOptions(total, progressbar.OptionSetWriter(p.Stderr), progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(), progressbar.OptionClearOnFinish())}
}

// Step counts one more as done, and names it where it has a name.
func (p *Progress) Step(name string) {
	if p.bar == nil {
		return
	}
	if name != "" {
		p.bar.Describe(name)
	}
	_ = p.bar.Add(1)
}

// Set says how many of how many are done, and what is next.
func (p *Progress) Set(done, total int, name string) {
	if p.bar == nil {
		return
	}
	p.bar.ChangeMax(total)
	p.bar.Describe(name)
	_ = p.bar.Set(done)
}

// Done takes the bar away.
func (p *Progress) Done() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
