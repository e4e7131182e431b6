package policy

// compile prepares a parsed document for matching, once.
func (d *Document) compile() {
	variables := d.Version == Version2012
	for i := range d.Statements {
		s := &d.Statements[i]
		for _, action := range append(append([]string(nil), s.Actions...), s.NotActions...) {
			s.actions = append(s.actions, compileAction(action))
		}
		for _, resource := range append(append([]string(nil), s.Resources...), s.NotResources...) {
			s.resources = append(s.resources, compileResource(resource, variables))
		}
		for _, c := range s.Conditions {
			s.conditions = append(s.conditions, compileTest(c, variables))
		}
		for _, set := range []*PrincipalSet{s.Principal, s.NotPrincipal} {
			if set != nil {
				set.compile()
			}
		}
		d.shape.add(s)
	}
}

func (sh *shape) add(s *Statement) {
	if s.Principal == nil && s.NotPrincipal == nil {
		sh.noPrincipal = true
		sh.noResource = sh.noResource || s.Resources == nil && s.NotResources == nil
		return
	}
	sh.principal = true
	sh.notEveryone = sh.notEveryone || !s.Principal.everyone()
}

func (set *PrincipalSet) compile() {
	if set.All {
		set.identities = append(set.identities, identity{kind: identityEveryone})
	}
	for _, name := range set.AWS {
		set.identities = append(set.identities, awsIdentity(name))
	}
	for _, name := range set.Service {
		set.identities = append(set.identities, identity{kind: identityService, name: name})
	}
	for _, name := range set.Federated {
		set.identities = append(set.identities, identity{kind: identityFederated, name: name})
	}
	for _, name := range set.CanonicalUser {
		set.identities = append(set.identities, identity{kind: identityCanonical, name: name})
	}
}
