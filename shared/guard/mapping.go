package guard

// Framework is a catalogue of requirements that auditors ask about.
type Framework string

const (
	PCI      Framework = "PCI DSS 4.0"
	HIPAA    Framework = "HIPAA Security Rule"
	SOC2     Framework = "SOC 2 (TSC 2017)"
	ISO27001 Framework = "ISO/IEC 27001:2022"
	NIST     Framework = "NIST SP 800-53 Rev. 5"
)

// Frameworks lists them in the order of tables.
func Frameworks() []Framework { return []Framework{PCI, HIPAA, SOC2, ISO27001, NIST} }

// Requirements are the requirements that a control gives evidence for, by framework. Passing a control meets none of
// them by itself. Each lists what it says about keys, stored credentials, access or monitoring that the control checks.
func Requirements(id ControlID) map[Framework][]string { return requirements[id] }

var requirements = map[ControlID]map[Framework][]string{
	SecretDefaultKey: {
		PCI: {"3.6.1", "3.7.1", "8.3.2"}, HIPAA: {"164.312(a)(2)(iv)"}, SOC2: {"CC6.1"}, ISO27001: {"A.8.24", "A.5.17"}, NIST: {"SC-12", "SC-28", "SC-28(1)", "IA-5(6)"},
	},
	SecretNotSealed: {
		PCI: {"3.7.4", "3.7.5"}, HIPAA: {"164.312(a)(2)(iv)"}, SOC2: {"CC6.1", "CC7.4"}, ISO27001: {"A.8.24", "A.5.17"}, NIST: {"SC-12", "SC-28(1)", "IA-5"},
	},
	SecretReplicaKey: {
		PCI: {"3.6.1", "8.3.2"}, HIPAA: {"164.312(a)(2)(iv)"}, SOC2: {"CC6.1"}, ISO27001: {"A.8.24", "A.8.14"}, NIST: {"SC-12", "SC-28", "CP-9(8)"},
	},
	SecretKeyUnusable: {
		PCI: {"3.7.5", "10.7.2"}, HIPAA: {"164.308(a)(7)(i)"}, SOC2: {"A1.2", "CC7.2"}, ISO27001: {"A.8.24", "A.5.30"}, NIST: {"SC-12(1)", "SI-4", "CP-2"},
	},
	SecretKeyUnapproved: {
		PCI: {"3.6.1", "3.7.7", "7.2.2"}, HIPAA: {"164.312(a)(1)", "164.312(a)(2)(iv)"}, SOC2: {"CC6.1", "CC6.3"}, ISO27001: {"A.8.24", "A.5.15"}, NIST: {"SC-12", "AC-3", "CM-6"},
	},
	SecretForeignKey: {
		PCI: {"3.6.1", "8.3.2"}, HIPAA: {"164.312(a)(2)(iv)"}, SOC2: {"CC6.1"}, ISO27001: {"A.8.24", "A.5.23"}, NIST: {"SC-12", "SC-28", "SA-9"},
	},
	SecretOutside: {
		PCI: {"7.2.1", "12.8.2"}, HIPAA: {"164.308(b)(1)", "164.312(a)(1)"}, SOC2: {"CC6.1", "CC6.7"}, ISO27001: {"A.5.14", "A.5.19"}, NIST: {"AC-4", "AC-20", "SA-9"},
	},
	OrgCoverage: {
		PCI: {"10.7.2", "12.5.1"}, HIPAA: {"164.308(a)(1)(ii)(D)", "164.312(b)"}, SOC2: {"CC7.1", "CC7.2"}, ISO27001: {"A.8.16", "A.5.9"}, NIST: {"CA-7", "SI-4", "CM-8"},
	},
	OrgStorage: {
		PCI: {"10.3.4", "10.7.2"}, HIPAA: {"164.312(c)(1)", "164.308(a)(7)(ii)(A)"}, SOC2: {"PI1.5", "CC7.2"}, ISO27001: {"A.8.13", "A.8.16"}, NIST: {"SI-7", "SI-11", "CP-9"},
	},
	KeyTags: {
		PCI: {"3.7.8", "12.5.1"}, HIPAA: {"164.308(a)(2)"}, SOC2: {"CC1.3", "CC6.1"}, ISO27001: {"A.5.9", "A.5.12"}, NIST: {"CM-8", "SC-12"},
	},
	KeyRotation: {
		PCI: {"3.7.4"}, HIPAA: {"164.312(a)(2)(iv)"}, SOC2: {"CC6.1"}, ISO27001: {"A.8.24"}, NIST: {"SC-12", "SC-12(2)"},
	},
	KeyOpen: {
		PCI: {"3.6.1", "7.2.1", "7.2.2"}, HIPAA: {"164.308(a)(4)(ii)(C)", "164.312(a)(1)"}, SOC2: {"CC6.1", "CC6.3"}, ISO27001: {"A.5.15", "A.5.3", "A.8.2"}, NIST: {"AC-3", "AC-5", "AC-6", "SC-12"},
	},
	KeyUnused: {
		PCI: {"3.7.5"}, HIPAA: {"164.308(a)(1)(ii)(D)"}, SOC2: {"CC6.1"}, ISO27001: {"A.8.24", "A.5.9"}, NIST: {"SC-12", "CM-8"},
	},
	KeyNeeded: {
		PCI: {"3.7.5", "10.7.2"}, HIPAA: {"164.308(a)(7)(i)"}, SOC2: {"A1.2", "CC7.2"}, ISO27001: {"A.8.24", "A.5.30"}, NIST: {"SC-12(1)", "CP-2"},
	},
	KeyBlastRadius: {
		PCI: {"3.6.1", "7.2.2"}, HIPAA: {"164.308(a)(1)(ii)(B)"}, SOC2: {"CC6.1", "CC9.1"}, ISO27001: {"A.8.24", "A.5.15"}, NIST: {"SC-12", "AC-6", "RA-3"},
	},
	KeyOnlyDelegate: {
		PCI: {"7.2.1", "7.2.2"}, HIPAA: {"164.312(a)(1)"}, SOC2: {"CC6.1", "CC6.3"}, ISO27001: {"A.5.15", "A.8.3"}, NIST: {"AC-3", "AC-6", "SC-12"},
	},
}
