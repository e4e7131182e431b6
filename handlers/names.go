package handlers

// Names of the handlers: of their functions, queues and role sessions, each after settings.SessionPrefix.
const (
	Detect    = "detect"
	Alert     = "alert"
	Remediate = "remediate"
	Sweep     = "sweep"
	Watchdog  = "watchdog"
)

// Names lists the handlers, each of which is a function of the hub.
func Names() []string { return []string{Detect, Alert, Remediate, Sweep, Watchdog} }
