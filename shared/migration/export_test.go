package migration

// Signed is a plan with its digest, as Make signs it.
func Signed(p Plan) (Plan, error) { return p.signed() }
