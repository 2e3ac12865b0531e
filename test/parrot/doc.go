// This folder is a copy of examples/parrot for the tests of this module. The example is a module of its own, which
// needs this one, so the tests here cannot import it. The test beside this file fails where the copy differs.

package parrot
