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

func (p *PrincipalSet) compile() {
	if p.All {
		p.names = append(p.names, identity{kind: identityEveryone})
	}
	for _, name := range p.AWS {
		p.names = append(p.names, awsIdentity(name))
	}
	for _, name := range p.Service {
		p.names = append(p.names, identity{kind: identityService, name: name})
	}
	for _, name := range p.Federated {
		p.names = append(p.names, identity{kind: identityFederated, name: name})
	}
	for _, name := range p.CanonicalUser {
		p.names = append(p.names, identity{kind: identityCanonical, name: name})
	}
}
