//! Where the command service has FIPS endpoints.

use super::{Config, ConfigError};

/// Contract: host, `use_fips_mode`.
pub(super) const REGIONS: [&str; 6] = [
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "us-gov-east-1",
    "us-gov-west-1",
];

impl Config {
    /// Checks `use_fips_mode` against the region, which is known later than the file.
    ///
    /// # Errors
    /// When FIPS mode is on and the region has no FIPS endpoint; AWS's agent refuses it too.
    pub fn check_fips_region(&self, region: &str) -> Result<(), ConfigError> {
        if self.use_fips_mode && !REGIONS.contains(&region) {
            return Err(ConfigError::FipsRegion {
                region: region.to_owned(),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::config::Purpose;

    #[rstest]
    #[case("us-east-1", true)]
    #[case("us-east-2", true)]
    #[case("us-west-1", true)]
    #[case("us-west-2", true)]
    #[case("us-gov-east-1", true)]
    #[case("us-gov-west-1", true)]
    #[case("eu-west-1", false)]
    #[case("ca-central-1", false)]
    #[case("", false)]
    fn use_fips_mode(#[case] region: &str, #[case] allowed: bool) {
        let mut config = Config::defaults(Purpose::Service);
        assert!(config.check_fips_region(region).is_ok());
        config.use_fips_mode = true;
        let result = config.check_fips_region(region);
        assert_eq!(result.is_ok(), allowed);
        if let Err(error) = result {
            assert_eq!(
                error.to_string(),
                format!(
                    "use_fips_mode is true, but the region is {region:?}; allowed: us-east-1, \
                     us-east-2, us-west-1, us-west-2, us-gov-east-1, us-gov-west-1, or \
                     use_fips_mode: false"
                )
            );
        }
    }
}
