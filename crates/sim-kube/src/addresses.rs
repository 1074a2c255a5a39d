//! Cluster addresses and node ports of Services.
//! Source: Kubernetes documentation, "Service ClusterIP allocation", "Service".

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use serde_json::{Value, json};

use crate::cluster::text;
use crate::kinds::default;
use crate::status::Cause;

const FIRST_ADDRESS: u32 = 0x0a60_0001; // 10.96.0.1
const LAST_ADDRESS: u32 = 0x0a60_fffe; // 10.96.255.254
const FIRST_PORT: u16 = 30_000;
const LAST_PORT: u16 = 32_767;

/// What is taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addresses {
    cluster: BTreeSet<u32>,
    ports: BTreeSet<u16>,
    next_address: u32,
    next_port: u16,
}

impl Addresses {
    /// Gives a Service what it needs; what is named in it, if that is free.
    pub(crate) fn allocate(&mut self, service: &mut Value) -> Result<(), Vec<Cause>> {
        let mut after = self.clone_cursor();
        after.allocate_into(self, service)?;
        Ok(())
    }

    fn clone_cursor(&self) -> Allocation {
        Allocation { addresses: Vec::new(), ports: Vec::new(), next: (self.next_address, self.next_port) }
    }

    /// Takes back what a Service had.
    pub(crate) fn release(&mut self, service: &Value) {
        if let Some(address) = address_of(service) {
            self.cluster.remove(&address);
        }
        for port in node_ports(service) {
            self.ports.remove(&port);
        }
    }

    /// Notes what a Service has that was not allocated here.
    pub(crate) fn adopt(&mut self, service: &Value) {
        self.cluster.extend(address_of(service));
        self.ports.extend(node_ports(service));
    }

    fn free_address(&mut self) -> Option<u32> {
        let count = LAST_ADDRESS - FIRST_ADDRESS + 1;
        for _ in 0..count {
            // The first ones are for those who ask for them.
            let address = FIRST_ADDRESS + (self.next_address + 256) % count;
            self.next_address = (self.next_address + 1) % count;
            if !self.cluster.contains(&address) {
                return Some(address);
            }
        }
        None
    }

    fn free_port(&mut self) -> Option<u16> {
        let count = LAST_PORT - FIRST_PORT + 1;
        for _ in 0..count {
            let port = FIRST_PORT + (self.next_port + 86) % count;
            self.next_port = (self.next_port + 1) % count;
            if !self.ports.contains(&port) {
                return Some(port);
            }
        }
        None
    }
}

/// What one Service was given so far: taken back if it does not get everything.
struct Allocation {
    addresses: Vec<u32>,
    ports: Vec<u16>,
    next: (u32, u16),
}

impl Allocation {
    fn allocate_into(&mut self, taken: &mut Addresses, service: &mut Value) -> Result<(), Vec<Cause>> {
        let outcome = self.address(taken, service).and_then(|()| self.node_ports(taken, service));
        if outcome.is_err() {
            for address in &self.addresses {
                taken.cluster.remove(address);
            }
            for port in &self.ports {
                taken.ports.remove(port);
            }
            (taken.next_address, taken.next_port) = self.next;
        }
        outcome
    }

    fn address(&mut self, taken: &mut Addresses, service: &mut Value) -> Result<(), Vec<Cause>> {
        let spec = &mut service["spec"];
        if text(spec, "type") == "ExternalName" {
            return Ok(());
        }
        let asked = text(spec, "clusterIP").to_owned();
        if asked == "None" {
            spec["clusterIPs"] = json!(["None"]);
            let dual = items_len(&spec["selector"]) == 0;
            default(spec, "ipFamilies", if dual { json!(["IPv4", "IPv6"]) } else { json!(["IPv4"]) });
            default(spec, "ipFamilyPolicy", if dual { "RequireDualStack" } else { "SingleStack" });
            return Ok(());
        }
        let refuse = |why: &str| {
            let why = format!("failed to allocate IP {asked}: {why}");
            Err(vec![Cause::invalid("spec.clusterIPs", &json!([asked]), why)])
        };
        let address = if asked.is_empty() {
            match taken.free_address() {
                Some(address) => address,
                None => return refuse("range is full"),
            }
        } else {
            let address = asked.parse::<Ipv4Addr>().map(u32::from).unwrap_or_default();
            if !(FIRST_ADDRESS..=LAST_ADDRESS).contains(&address) {
                return refuse("the provided network does not match the current range");
            }
            if taken.cluster.contains(&address) {
                return refuse("provided IP is already allocated");
            }
            address
        };
        taken.cluster.insert(address);
        self.addresses.push(address);
        let address = Ipv4Addr::from(address).to_string();
        spec["clusterIP"] = address.as_str().into();
        spec["clusterIPs"] = json!([address]);
        default(spec, "ipFamilies", json!(["IPv4"]));
        default(spec, "ipFamilyPolicy", "SingleStack");
        Ok(())
    }

    fn node_ports(&mut self, taken: &mut Addresses, service: &mut Value) -> Result<(), Vec<Cause>> {
        let spec = &mut service["spec"];
        let wanted = match text(spec, "type") {
            "NodePort" => true,
            "LoadBalancer" => spec["allocateLoadBalancerNodePorts"] != false,
            _ => return Ok(()),
        };
        for (at, port) in spec["ports"].as_array_mut().into_iter().flatten().enumerate() {
            let asked = port["nodePort"].as_i64().unwrap_or(0);
            let refuse = |why: &str| {
                Err(vec![Cause::invalid(format!("spec.ports[{at}].nodePort"), &asked.into(), why)])
            };
            let given = match u16::try_from(asked) {
                Ok(0) if !wanted => continue,
                Ok(0) => match taken.free_port() {
                    Some(port) => port,
                    None => return refuse("range is full"),
                },
                Ok(asked) if (FIRST_PORT..=LAST_PORT).contains(&asked) => asked,
                _ => {
                    return refuse(
                        "provided port is not in the valid range. The range of valid ports is 30000-32767",
                    );
                }
            };
            // The ports of one Service may share a number if their protocols differ.
            if taken.ports.contains(&given) && !self.ports.contains(&given) {
                return refuse("provided port is already allocated");
            }
            taken.ports.insert(given);
            self.ports.push(given);
            port["nodePort"] = given.into();
        }
        Ok(())
    }
}

fn items_len(value: &Value) -> usize {
    value.as_object().map_or(0, serde_json::Map::len)
}

fn address_of(service: &Value) -> Option<u32> {
    text(&service["spec"], "clusterIP").parse::<Ipv4Addr>().ok().map(u32::from)
}

fn node_ports(service: &Value) -> Vec<u16> {
    let ports = service["spec"]["ports"].as_array().into_iter().flatten();
    let numbers = ports.filter_map(|port| u16::try_from(port["nodePort"].as_u64()?).ok());
    numbers.filter(|port| *port != 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_comes_back() {
        let mut addresses = Addresses::default();
        let mut service = json!({"spec": {"type": "NodePort", "ports": [{"port": 80}]}});
        addresses.allocate(&mut service).unwrap();
        assert_eq!(service["spec"]["clusterIP"], "10.96.1.1");
        assert_eq!(service["spec"]["ports"][0]["nodePort"], 30_086);
        let mut same = json!({"spec": {"clusterIP": "10.96.1.1"}});
        assert!(addresses.allocate(&mut same).is_err());
        addresses.release(&service);
        addresses.allocate(&mut same).unwrap();
    }
}
