"""What botocore's endpoint rules say for every region that its data lists: one JSON object a line, for tests/real_parts/endpoints.rs."""

import json

from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import EndpointProviderError
from botocore.loaders import Loader
from botocore.model import ServiceModel

loader = Loader()
partitions = loader.load_data("partitions")
regions = sorted({region for partition in partitions["partitions"] for region in partition["regions"]})

for service in ["iam", "sts", "ecr", "ecr-public"]:
    model = ServiceModel(loader.load_service_model(service, "service-2"), service)
    provider = EndpointProvider(loader.load_service_model(service, "endpoint-rule-set-1"), partitions)
    for region in regions:
        for fips in [False, True]:
            for dual_stack in [False, True]:
                line = {"service": service, "region": region, "fips": fips, "dual_stack": dual_stack}
                try:
                    endpoint = provider.resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dual_stack)
                except EndpointProviderError:
                    line["url"] = None
                else:
                    schemes = (endpoint.properties or {}).get("authSchemes") or [{}]
                    line["url"] = endpoint.url
                    line["signing_region"] = schemes[0].get("signingRegion", region)
                    line["signing_name"] = schemes[0].get("signingName", model.signing_name)
                print(json.dumps(line))
