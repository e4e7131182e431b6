package settings

// Enters lists the member roles that a function of the hub takes, by its name without SessionPrefix: infra lets it, and
// the doctor looks whether it still can.
func Enters(function string) []string {
	switch function {
	case "detect":
		return []string{RoleRead, RoleTag}
	case "operate", "remediate", "sweep", "watchdog":
		return []string{RoleRead, RoleTag, RoleChange}
	}
	return nil
}
