//! Node-IDs are the choice of the server, by chance (sections 11.3 and 13.6.2).

use std::collections::BTreeSet;

use enrollment_server::{NodeIdLimits, ServeOptions};

use crate::service::{Service, init_options, serve_options};

// R6940-11.3-13, R6940-11.3-14, R6940-13.6.2-01
#[tokio::test]
async fn node_ids_are_random_numbers() {
    const EACH: u32 = 20;
    let node_ids = NodeIdLimits { per_device: EACH, devices: 5 };
    let options = ServeOptions { node_ids, ..serve_options() };
    let service = Service::start_with(init_options(), options).await;
    let mut ids = BTreeSet::new();
    for device in 0..5 {
        let certificate = service.client.enroll(|form| {
            form.nodeids = EACH;
            form.device = Some(format!("device {device}"));
        });
        ids.extend(certificate.await.unwrap().node_ids().iter().map(|id| id.to_u128().unwrap()));
    }
    assert_eq!(ids.len(), 100, "all differ");
    for bit in 0..128 {
        let set = ids.iter().filter(|id| *id >> bit & 1 == 1).count();
        // Fewer than one run in a million falls out of this by chance.
        assert!((15..=85).contains(&set), "bit {bit} is set in {set} of 100");
    }
}
