//! The configurations that take minutes: more faults at a time, more runs, and more of what others do.

use super::Config;
use super::state::Budget;
use super::suite::{
    DEACTIVATE, DELETE, DELETE_INACTIVE, DIFFERENT, GRACE, JOINED, ONE, Pinned, SPREADS, THREE, TWO, UNLIMITED,
    UNPROVABLE, prove, suite,
};

/// Three runs at once.
const CROWD: Config = Config { runs: 3, ..ONE };

const LARGE: [Pinned; 21] = suite! {
    "1 all faults" ONE { crash: 1, lose: 1, late: 1, expire: 1 } 806_757 4_224_739;
    "1 all faults unprovable" UNPROVABLE { crash: 1, lose: 1, late: 1, expire: 1 } 799_746 4_204_379;
    "1 three in a row, crash lose" ONE { crash: 1, lose: 1, runs: 3 } 475_846 1_836_340;
    "1 three in a row, crash late" ONE { crash: 1, late: 1, runs: 3 } 705_353 2_747_893;
    "1 three in a row, stop late" ONE { stop: 1, late: 1, runs: 3 } 902_924 3_454_149;
    "1 three in a row, foreign" UNLIMITED { foreign: 1, crash: 1, runs: 3 } 801_501 3_107_363;
    "1 three at once" CROWD { crash: 1, late: 1, runs: 3 } 3_233_236 19_368_639;
    "1 three at once, expire" CROWD { expire: 1, runs: 3 } 1_438_678 6_262_270;
    "1 foreign stale" UNLIMITED { foreign: 1, stale: 1, crash: 1, lose: 1 } 499_528 2_388_318;
    "1 foreign deleted" DELETE { foreign: 1, stale: 1, crash: 1, late: 1 } 1_275_485 5_986_077;
    "1 foreign inactive deleted" DELETE_INACTIVE { foreign: 2, crash: 1, lose: 1 } 1_663_013 8_471_981;
    "1 put back copy" JOINED { put_back: 1, copy: 1, crash: 1, lose: 1 } 538_151 2_683_464;
    "1 refuse" ONE { refuse: 1, late: 1, expire: 1 } 288_790 1_041_637;
    "1 grace" GRACE { crash: 1, late: 1, runs: 3 } 257_519 984_348;
    "1 deactivate" DEACTIVATE { crash: 1, lose: 1, late: 1, stale: 1 } 159_465 768_917;
    "1 spreads" SPREADS { crash: 1, lose: 1, late: 1 } 618_457 3_327_857;
    "2 all faults" TWO { crash: 1, lose: 1, late: 1, expire: 1 } 3_846_121 21_371_641;
    "2 different" DIFFERENT { crash: 1, lose: 1, expire: 1, stale: 1 } 192_727 857_121;
    "2 put back" TWO { put_back: 1, crash: 1, lose: 1, late: 1 } 1_958_335 10_863_725;
    "2 remove" TWO { remove: 1, lose: 1 } 505_881 1_925_767;
    "3 crash late" THREE { crash: 1, late: 1 } 299_952 1_532_948;
};

#[test]
fn every_promise_holds_in_every_state_of_the_large_configurations() {
    prove(&LARGE);
}
