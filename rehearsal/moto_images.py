"""Images as EC2 keeps them, in moto.

moto drops what RegisterImage says of architecture and root device, backs images by no EBS volume,
and does not let their description be changed.
"""

from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.models.amis import Ami
from moto.ec2.responses.amis import AmisResponse


def _keep_what_an_image_is() -> None:
    register = AmisResponse.register_image

    def register_image(self: AmisResponse) -> ActionResult:
        answer = register(self)
        image = self.ec2_backend.amis[answer.result["ImageId"]]  # type: ignore[index]
        image.architecture = self._get_param("Architecture", "i386")
        image.root_device_name = self._get_param("RootDeviceName", image.root_device_name)
        return answer

    AmisResponse.register_image = register_image  # type: ignore[method-assign]


def _suit_packer() -> None:
    """Back images by EBS, and let a description be changed: Packer insists on both."""
    made, modify = Ami.__init__, AmisResponse.modify_image_attribute

    def init(self: Ami, *arguments: Any, **options: Any) -> None:
        instance = options.get("instance")
        options.setdefault("root_device_type", "ebs")
        if instance is not None:
            options.setdefault("root_device_name", instance.root_device_name)
        made(self, *arguments, **options)

    def modify_image_attribute(self: AmisResponse) -> ActionResult:
        described = self._get_param("Description")
        if isinstance(described, dict) and "Value" in described:
            image = self._get_param("ImageId")
            (found,) = self.ec2_backend.describe_images(ami_ids=[image])
            found.description = described["Value"]
            return EmptyResult()
        return modify(self)

    patched: Any = Ami
    patched.__init__ = init
    AmisResponse.modify_image_attribute = modify_image_attribute  # type: ignore[method-assign]


def correct() -> None:
    """Make moto keep what an image is, in this process."""
    _keep_what_an_image_is()
    _suit_packer()
